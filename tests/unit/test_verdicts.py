"""What becomes of a reported guest: a table of the rules."""

from __future__ import annotations

import dataclasses
from uuid import UUID

import pytest

from common.db.stores.services import GuestTruth
from common.messages.compute import GuestReport
from services.conductor.verdicts import verdict

UUID_ = "6f70656e-7374-6163-6b20-617069206f6b"

HERE = GuestTruth(
    uuid=UUID(UUID_),
    host="a",
    generation=3,
    last_generation=3,
    deleted=False,
    vm_state="active",
    task_state=None,
    power_state=1,
    workflow_id=None,
    moves=[],
)


def guest(
    generation: int, *, held: bool = True, pending: bool = False, workflow_id: int | None = None
) -> GuestReport:
    return GuestReport(
        uuid=UUID_,
        generation=generation,
        power_state=1,
        held=held,
        pending=pending,
        workflow_id=workflow_id,
    )


def known(**changes: object) -> GuestTruth:
    return dataclasses.replace(HERE, **changes)  # type: ignore[arg-type]


LEFT = {"host": "b", "generation": 4, "last_generation": 4, "kept_generations": [3]}


@pytest.mark.parametrize(
    ("generation", "truth", "expected"),
    [
        (3, None, "unknown"),
        (3, known(deleted=True), "destroy"),
        (3, known(), "keep"),
        (3, known(moves=["evacuation:source"]), "hold"),
        (3, known(moves=["live-migration:source"]), "keep"),
        # what a workflow makes waits for the commit that makes it the server's
        (1, known(generation=0, last_generation=1, workflow_id=7), "hold"),
        (1, known(generation=0, last_generation=1, host="b", workflow_id=7), "hold"),
        (4, known(host="b", last_generation=4, moves=["evacuation:dest"], workflow_id=7), "hold"),
        (4, known(last_generation=4, workflow_id=7), "hold"),
        # what it has given up is over at once
        (1, known(generation=0, last_generation=2, workflow_id=7), "destroy"),
        (4, known(workflow_id=7), "destroy"),
        (3, known(host="b", last_generation=4, moves=["evacuation:dest"]), "destroy"),
        (4, known(host="b", last_generation=4, moves=["evacuation:dest"]), "destroy"),
        # what a move may come back to
        (3, known(**LEFT, moves=["resize:source"]), "hold"),
        (2, known(**LEFT, moves=["resize:source"]), "destroy"),
        # a rebuild whose answer was lost
        (4, known(last_generation=4), "keep"),
        (4, known(), "destroy"),
        (4, known(last_generation=4, host="b"), "destroy"),
        (2, known(), "destroy"),
        (3, known(host="b", generation=4), "destroy"),
        (3, known(host=None), "destroy"),
    ],
)
def test_verdict(generation: int, truth: GuestTruth | None, expected: str) -> None:
    assert verdict(guest(generation), truth, "a") == expected


def test_a_guest_that_runs_is_not_held_for_its_own_workflow() -> None:
    assert verdict(guest(4, held=False), known(last_generation=4, workflow_id=7), "a") == "keep"
    assert verdict(guest(3, held=False), known(**LEFT), "a") == "keep"
    evacuated = known(moves=["evacuation:source"], workflow_id=7)
    assert verdict(guest(3, held=False), evacuated, "a") == "hold"


@pytest.mark.parametrize(
    ("generation", "truth", "expected"),
    [
        (3, known(workflow_id=7), "keep"),
        (4, known(last_generation=4, workflow_id=7), "keep"),
        (3, known(**LEFT, workflow_id=7), "keep"),
        (2, known(workflow_id=7), "destroy"),
        (3, known(host="b", generation=4, last_generation=4, workflow_id=7), "destroy"),
        # of a workflow that has ended, or was followed: the guest is wanted, the command is not
        (3, known(), "hold"),
        (3, known(workflow_id=8), "hold"),
        (3, known(**LEFT), "hold"),
        (4, known(last_generation=4, workflow_id=8), "hold"),
        (4, known(last_generation=4, host="b"), "destroy"),
        (2, known(), "destroy"),
        (3, known(moves=["evacuation:source"], workflow_id=8), "hold"),
        (3, known(deleted=True), "destroy"),
    ],
)
def test_only_the_workflow_that_owns_the_server_may_act(
    generation: int, truth: GuestTruth, expected: str
) -> None:
    asked = guest(generation, pending=True, workflow_id=7)
    assert verdict(asked, truth, "a") == expected
