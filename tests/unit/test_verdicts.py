"""What becomes of a reported guest: a table of the seven rules."""

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
    in_progress=False,
    moves=[],
)


def guest(generation: int, *, pending: bool = False) -> GuestReport:
    return GuestReport(uuid=UUID_, generation=generation, power_state=1, pending=pending)


@pytest.mark.parametrize(
    ("generation", "truth", "expected"),
    [
        (3, None, "unknown"),
        (3, {"deleted": True}, "destroy"),
        (3, {}, "keep"),
        (3, {"moves": ["evacuation:source"]}, "hold"),
        (3, {"moves": ["live-migration:source"]}, "keep"),
        (4, {"host": "b", "last_generation": 4, "moves": ["evacuation:dest"]}, "keep"),
        (3, {"host": "b", "last_generation": 4, "moves": ["evacuation:dest"]}, "destroy"),
        (3, {"host": "b", "moves": ["resize:source"]}, "hold"),
        (4, {"in_progress": True}, "hold"),
        (4, {"in_progress": False}, "destroy"),
        (4, {"last_generation": 4, "in_progress": True}, "hold"),
        (4, {"last_generation": 4}, "keep"),
        (4, {"last_generation": 4, "host": "b"}, "destroy"),
        (3, {"host": "b", "generation": 4, "moves": ["resize:source"]}, "destroy"),
        (
            3,
            {
                "host": "b",
                "generation": 4,
                "moves": ["resize:source"],
                "kept_generations": [3],
            },
            "hold",
        ),
        (2, {}, "destroy"),
        (3, {"host": "b", "generation": 4}, "destroy"),
        (3, {"host": None}, "destroy"),
    ],
)
def test_verdict(generation: int, truth: dict[str, object] | None, expected: str) -> None:
    known = None if truth is None else dataclasses.replace(HERE, **truth)  # type: ignore[arg-type]
    assert verdict(guest(generation), known, "a") == expected


def test_a_pending_spawn_of_an_unknown_generation_is_not_carried_out() -> None:
    truth = dataclasses.replace(HERE, in_progress=True)
    assert verdict(guest(4), truth, "a") == "hold"
    assert verdict(guest(4, pending=True), truth, "a") == "destroy"
