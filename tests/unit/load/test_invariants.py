"""Each invariant fails when it is broken, alone, and a sound cluster passes all."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.runtime.ports import Clock
from deploy.chaos.invariants import (
    Facts,
    Guest,
    as_if_it_had_gone_on,
    check,
    driver_logs,
    guests_on_disk,
)
from services.compute.drivers.simulated.log import (
    DriverLog,
    Interval,
    Overlap,
    overlaps,
    running_intervals,
)

ACTIVE, BROKEN = "5a1c0000-0000-4000-8000-000000000001", "5a1c0000-0000-4000-8000-000000000002"
NOBODY = "5a1c0000-0000-4000-8000-000000000003"


def row(**columns: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "s",
        "vm_state": "active",
        "task_state": None,
        "host": "h1",
        "generation": 1,
        "power_state": 1,
        "fault": None,
        "network_info": [],
    }
    return {**base, **columns}


def sound() -> Facts:
    """One active server with a port, and one that failed for a reason."""
    fault = {"message": "No valid host was found."}
    return Facts(
        servers={
            ACTIVE: row(network_info=[{"port_id": "p1"}]),
            BROKEN: row(vm_state="error", host=None, fault=fault),
        },
        claims=[(ACTIVE, "h1", "server")],
        guests=[Guest(ACTIVE, "h1", 1, 1)],
        ports={"p1": ACTIVE},
        shown={
            ACTIVE: {"name": "a", "status": "ACTIVE"},
            BROKEN: {"name": "b", "status": "ERROR", "fault": fault},
        },
    )


def test_a_sound_cluster_has_nothing_wrong() -> None:
    assert check(sound()) == []


def server(facts: Facts, uuid: str = ACTIVE, **columns: Any) -> None:
    facts.servers[uuid] = {**facts.servers[uuid], **columns}


TWICE = Overlap(ACTIVE, 1.0, 2.0, Interval("h1", 1, 0.0, 2.0), Interval("h2", 2, 1.0, 3.0))

BREAKS: dict[str, tuple[Callable[[Facts], object], list[str]]] = {
    "a workflow is left": (lambda f: f.workflows.append("build x step 1"), ["stuck"]),
    "a task is left": (lambda f: server(f, task_state="deleting"), ["stuck"]),
    "an error has no reason": (lambda f: server(f, BROKEN, fault=None), ["unexplained"]),
    "a claim of nobody": (lambda f: f.claims.append((NOBODY, "h1", "server")), ["claim leaked"]),
    "a claim is there twice": (
        lambda f: f.claims.append((ACTIVE, "h2", "server")),
        ["claim leaked"],
    ),
    "a move left its claim": (
        lambda f: f.claims.append((ACTIVE, "h1", "migration")),
        ["claim leaked"],
    ),
    "a claim is missing": (lambda f: f.claims.clear(), ["claim missing"]),
    "a ledger is wrong": (lambda f: f.ledger_errors.append("h1"), ["ledger wrong"]),
    "a guest is missing": (lambda f: f.guests.clear(), ["lost"]),
    "a guest of nobody": (lambda f: f.guests.append(Guest(NOBODY, "h1", 1, 1)), ["orphan guest"]),
    "a guest of a failed build": (
        lambda f: f.guests.append(Guest(BROKEN, "h1", 1, 1)),
        ["orphan guest"],
    ),
    "a guest is elsewhere too": (
        lambda f: f.guests.append(Guest(ACTIVE, "h2", 1, 1)),
        ["orphan guest"],
    ),
    "the guest is an old one": (lambda f: server(f, generation=2), ["orphan guest", "lost"]),
    "a port of nobody": (lambda f: f.ports.update(p2=NOBODY), ["port leaked"]),
    "a port too many": (lambda f: f.ports.update(p2=ACTIVE), ["ports differ"]),
    "a port too few": (lambda f: f.ports.clear(), ["ports differ"]),
    "a snapshot of a server that is not shelved": (
        lambda f: f.images.update(i1=ACTIVE),
        ["image leaked"],
    ),
    "a snapshot of nobody": (lambda f: f.images.update(i1=NOBODY), ["image leaked"]),
    "something was left behind": (
        lambda f: f.leftovers.append("ports of x after 3 attempts: no"),
        ["leftover"],
    ),
    "ran twice": (lambda f: f.overlaps.append(TWICE), ["ran twice"]),
    "not in the API": (lambda f: f.shown and f.shown.pop(ACTIVE), ["not shown"]),
    "only in the API": (
        lambda f: f.shown is not None and f.shown.update({NOBODY: {"name": "c", "status": "X"}}),
        ["not there"],
    ),
    "shown without a reason": (
        lambda f: (
            f.shown is not None and f.shown.update({BROKEN: {"name": "b", "status": "ERROR"}})
        ),
        ["unexplained"],
    ),
    "made twice": (
        lambda f: f.shown is not None and f.shown.update({BROKEN: f.shown[ACTIVE]}),
        ["made twice"],
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_named_and_nothing_else(name: str) -> None:
    facts = copy.deepcopy(sound())
    break_it, expected = BREAKS[name]
    break_it(facts)
    assert [line.split(":")[0] for line in check(facts)] == expected


def write_log(compute: Path, host: str, *events: tuple[str, str | None, int | None, float]) -> None:
    directory = compute / host / host
    directory.mkdir(parents=True)
    log = DriverLog(host, directory, Clock())
    log.open()
    for event, uuid, generation, t in events:
        extra = {"executed_until": t} if event == "host_started" else {}
        log.write(event, uuid, generation, t=t, **extra)
    log.mark_alive(events[-1][3])
    log.close()


@pytest.mark.parametrize(
    "end",
    [
        [("stopped", ACTIVE, 1, 20.0), ("held", ACTIVE, 1, 29.0), ("destroyed", ACTIVE, 1, 30.0)],
        [("host_started", None, None, 20.0), ("destroyed", ACTIVE, 1, 30.0)],
    ],
    ids=["frozen", "killed"],
)
def test_a_host_that_had_gone_on_would_be_noticed(
    tmp_path: Path, end: list[tuple[str, str | None, int | None, float]]
) -> None:
    compute, scratch = tmp_path / "compute", tmp_path / "scratch"
    scratch.mkdir()
    begin = [("host_started", None, None, 5.0), ("running", ACTIVE, 1, 10.0)]
    write_log(compute, "h1", *begin, *end)
    write_log(compute, "h2", ("running", ACTIVE, 2, 25.0), ("stopped", ACTIVE, 2, 40.0))
    assert not overlaps(running_intervals(driver_logs(compute)))
    noticed = as_if_it_had_gone_on(compute, "h1", [ACTIVE], until=35.0, scratch=scratch)
    assert [(o.uuid, o.start, o.end) for o in noticed] == [(ACTIVE, 25.0, 35.0)]


def test_a_host_that_had_run_what_it_made_and_held_would_be_noticed(tmp_path: Path) -> None:
    compute, scratch = tmp_path / "compute", tmp_path / "scratch"
    scratch.mkdir()
    held = [
        ("held", ACTIVE, 1, 10.0),
        ("released", ACTIVE, 1, 30.0),
        ("destroyed", ACTIVE, 1, 31.0),
    ]
    write_log(compute, "h1", *held, ("destroyed", ACTIVE, 1, 31.0))
    write_log(compute, "h2", ("running", ACTIVE, 2, 25.0), ("stopped", ACTIVE, 2, 40.0))
    assert not overlaps(running_intervals(driver_logs(compute)))
    noticed = as_if_it_had_gone_on(compute, "h1", [ACTIVE], until=35.0, scratch=scratch)
    assert [(o.uuid, o.start, o.end) for o in noticed] == [(ACTIVE, 25.0, 35.0)]


def test_guests_are_read_from_the_disks_of_all_hosts(tmp_path: Path) -> None:
    for host in ("h1", "h2"):
        guests = tmp_path / host / host / "guests"
        guests.mkdir(parents=True)
        spec = f'{{"uuid": "{ACTIVE}", "generation": 3}}'
        text = f'{{"spec": {spec}, "phase": "building", "power_state": 1}}'
        (guests / f"{ACTIVE}.json").write_text(text)
    assert guests_on_disk(tmp_path) == [
        Guest(ACTIVE, "h1", 3, 1, "building"),
        Guest(ACTIVE, "h2", 3, 1, "building"),
    ]
