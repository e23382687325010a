"""Each invariant fails when it is broken, alone, and a sound cluster passes all."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
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
from deploy.chaos.volumes import Attachment, Disk, Volume, Volumes
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
        "server_group": None,
    }
    return {**base, **columns}


def sound() -> Facts:
    """One active server with a port and two volumes, and one that failed for a reason."""
    fault = {"message": "No valid host was found."}
    connected = {"status": "attached", "host": "h1"}
    return Facts(
        servers={
            ACTIVE: row(network_info=[{"port_id": "p1"}], server_group="g1"),
            BROKEN: row(vm_state="error", host=None, fault=fault),
        },
        claims=[(ACTIVE, "h1", "server")],
        guests=[Guest(ACTIVE, "h1", 1, 1, ports=frozenset({"p1"}), volumes=frozenset("mb"))],
        ports={"p1": ACTIVE},
        volumes=Volumes(
            volumes={
                "m": Volume("in-use", made=True),
                "b": Volume("in-use"),
                "f": Volume("available"),
            },
            attachments={
                "am": Attachment("m", ACTIVE, **connected),
                "ab": Attachment("b", ACTIVE, **connected),
            },
            disks=[Disk(ACTIVE, "m", "am"), Disk(ACTIVE, "b", "ab"), Disk(BROKEN, "f", None)],
            brought=frozenset("bf"),
        ),
        most_per_host={"g1": 1},
        shown={
            ACTIVE: {"name": "a", "status": "ACTIVE"},
            BROKEN: {"name": "b", "status": "ERROR", "fault": fault},
        },
    )


def test_a_sound_cluster_has_nothing_wrong() -> None:
    assert check(sound()) == []


def server(facts: Facts, uuid: str = ACTIVE, **columns: Any) -> None:
    facts.servers[uuid] = {**facts.servers[uuid], **columns}


def offload(facts: Facts) -> None:
    """The server has no host; its volumes wait for it."""
    server(facts, vm_state="shelved_offloaded", host=None)
    facts.claims.clear()
    facts.guests.clear()
    volumes = facts.volumes
    for name, found in volumes.attachments.items():
        volumes.attachments[name] = found._replace(status="reserved", host=None)
        volumes.volumes[found.volume] = volumes.volumes[found.volume]._replace(status="reserved")


def test_a_server_without_a_host_has_its_volumes_reserved() -> None:
    facts = sound()
    offload(facts)
    assert check(facts) == []


def attachment(facts: Facts, name: str, **columns: Any) -> None:
    facts.volumes.attachments[name] = facts.volumes.attachments[name]._replace(**columns)


def volume(facts: Facts, name: str, status: str) -> None:
    facts.volumes.volumes[name] = facts.volumes.volumes[name]._replace(status=status)


def guest(facts: Facts, **columns: Any) -> None:
    facts.guests[0] = facts.guests[0]._replace(**columns)


def crowd(facts: Facts) -> None:
    server(facts, BROKEN, host="h1", server_group="g1")
    facts.claims.append((BROKEN, "h1", "server"))


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
    "an attachment of a server that is gone": (
        lambda f: f.volumes.attachments.update(x=Attachment("f", NOBODY, "reserved", None)),
        ["attachment leaked"],
    ),
    "a move left its attachment": (
        lambda f: f.volumes.attachments.update(x=Attachment("b", ACTIVE, "attached", "h2")),
        ["attachment leaked"],
    ),
    "an attachment that a server names is gone": (
        lambda f: f.volumes.attachments.pop("ab"),
        ["attachment missing", "stuck"],
    ),
    "a disk names the attachment of another volume": (
        lambda f: attachment(f, "ab", volume="f"),
        ["attachment missing", "stuck"],
    ),
    "a disk has lost its attachment": (
        lambda f: f.volumes.disks.append(Disk(ACTIVE, "f", None)),
        ["attachment missing"],
    ),
    "a volume is connected to another host": (
        lambda f: attachment(f, "ab", host="h2"),
        ["attachment wrong"],
    ),
    "a volume is not connected": (
        lambda f: attachment(f, "ab", host=None, status="reserved"),
        ["attachment wrong"],
    ),
    "a volume is not connected yet": (
        lambda f: attachment(f, "ab", status="attaching"),
        ["attachment wrong"],
    ),
    "a disk of a server that is gone": (
        lambda f: f.volumes.disks.append(Disk(NOBODY, "f", None)),
        ["disk leaked"],
    ),
    **{
        f"a volume is left {status}": (partial(volume, name="f", status=status), ["stuck"])
        for status in ("creating", "downloading", "deleting", "attaching", "detaching", "in-use")
    },
    "a volume of a server with a host is left reserved": (
        lambda f: volume(f, "b", "reserved"),
        ["stuck"],
    ),
    "a volume that was made is nobody's": (
        lambda f: f.volumes.volumes.update(x=Volume("available", made=True)),
        ["volume leaked"],
    ),
    "a volume that was brought is gone": (
        lambda f: (f.volumes.volumes.pop("f"), f.volumes.disks.pop()),
        ["volume lost"],
    ),
    "a volume that was made is gone too early": (
        lambda f: f.volumes.volumes.pop("m"),
        ["volume lost"],
    ),
    "a guest has a volume too few": (
        lambda f: guest(f, volumes=frozenset("m")),
        ["guest differs"],
    ),
    "a guest has a volume too many": (
        lambda f: guest(f, volumes=frozenset("mbf")),
        ["guest differs"],
    ),
    "a guest has a port too many": (
        lambda f: guest(f, ports=frozenset({"p1", "p2"})),
        ["guest differs"],
    ),
    "a guest has a port too few": (
        lambda f: guest(f, ports=frozenset()),
        ["guest differs"],
    ),
    "two members of an anti-affinity group on one host": (crowd, ["crowded"]),
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
