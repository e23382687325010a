"""What must hold in a cluster at rest, whatever was done to it before.

Owns: gathering the facts (database, guests' state files, driver logs, network service, API) and
judging them; `check` is a pure function that names everything that is wrong.
May not: repair anything, or ask a service for facts that it could be wrong about: guests are read
from the hosts' own disks.
Crash story: none; it only reads.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from common.db.pool import Pool
from common.db.stores.claims import ledger_errors
from common.runtime.ports import Clock
from deploy.chaos import volumes
from deploy.chaos.volumes import Volumes
from services.compute.drivers.simulated.log import Overlap, overlaps, running_intervals

POLL_S = 0.25


class Guest(NamedTuple):
    """A guest as its host's disk has it."""

    uuid: str
    host: str
    generation: int
    power_state: int
    phase: str = "ready"
    ports: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()


@dataclass
class Facts:
    """One look at everything."""

    servers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Rows of servers that are not deleted, by uuid."""
    workflows: list[str] = field(default_factory=list)
    """What is in progress: `kind server step`."""
    claims: list[tuple[str, str, str]] = field(default_factory=list)
    """(server, host, purpose)"""
    ledger_errors: list[str] = field(default_factory=list)
    guests: list[Guest] = field(default_factory=list)
    ports: dict[str, str] = field(default_factory=dict)
    """Server by port, for ports that belong to servers."""
    images: dict[str, str] = field(default_factory=dict)
    """Server by image, for snapshots."""
    volumes: Volumes = field(default_factory=Volumes)
    most_per_host: dict[str, int] = field(default_factory=dict)
    """Of the members of each anti-affinity group."""
    leftovers: list[str] = field(default_factory=list)
    """What workflows could not clean up and nobody has yet: `kind of server: reason`."""
    overlaps: list[Overlap] = field(default_factory=list)
    shown: dict[str, Mapping[str, Any]] | None = None
    """Servers as the Compute API shows them, by id; None: not looked at."""


_SERVERS = """
select uuid::text, name, vm_state, task_state, host, generation, power_state, fault, network_info,
       server_group::text
  from servers where deleted_at is null
"""
_WORKFLOWS = """
select kind || ' ' || server_uuid || ' step ' || step || case when unwinding then ' (undo)'
       else '' end || coalesce(' held by ' || lease_owner, '') as shown
  from workflows order by id
"""
_LEFTOVERS = """
select kind || ' of ' || server_uuid || ' after ' || attempts || ' attempts: ' || reason as shown
  from leftovers order by id
"""
_CLAIMS = "select server_uuid::text, host, purpose from allocations"

_GROUPS = """
select uuid::text, coalesce(max_per_host, 1) from server_groups where policy = 'anti-affinity'
"""


def driver_logs(compute: Path) -> list[Path]:
    """Every driver log below the directory that holds the hosts' state."""
    return sorted(compute.glob("**/driver.log"))


def guests_on_disk(compute: Path) -> list[Guest]:
    """Every guest below the directory that holds the hosts' state; one that vanishes is gone."""
    found = []
    for path in sorted(compute.glob("**/guests/*.json")):
        try:
            data = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            continue
        spec, host = data["spec"], path.parent.parent.name
        generation, phase = spec["generation"], data["phase"]
        ports = frozenset(each["port_id"] for each in spec.get("interfaces", ()))
        disks = frozenset(each["volume_id"] for each in spec.get("volumes", ()))
        power_state = data["power_state"]
        found.append(Guest(spec["uuid"], host, generation, power_state, phase, ports, disks))
    return found


async def gather(
    pool: Pool,
    compute: Path,
    ports: Iterable[Mapping[str, Any]],
    shown: Iterable[Mapping[str, Any]] | None = None,
    *,
    images: Iterable[Mapping[str, Any]] = (),
    disks: Volumes | None = None,
) -> Facts:
    """`compute`: the directory with the hosts' state; `ports`: all ports of the network service;
    `shown`: all servers as `GET /servers/detail?all_tenants=1` has them; `images`: all images."""
    return Facts(
        servers={row["uuid"]: dict(row) for row in await pool.fetch(_SERVERS)},
        workflows=[row["shown"] for row in await pool.fetch(_WORKFLOWS)],
        claims=[tuple(row) for row in await pool.fetch(_CLAIMS)],
        ledger_errors=[str(error) for error in await ledger_errors(pool)],
        guests=guests_on_disk(compute),
        ports={
            port["id"]: port["device_id"]
            for port in ports
            if port["device_owner"].startswith("compute:")
        },
        images={
            image["id"]: image["instance_uuid"] for image in images if "instance_uuid" in image
        },
        volumes=disks or Volumes(),
        most_per_host=dict(tuple(row) for row in await pool.fetch(_GROUPS)),
        leftovers=[row["shown"] for row in await pool.fetch(_LEFTOVERS)],
        overlaps=overlaps(running_intervals(driver_logs(compute))),
        shown=None if shown is None else {server["id"]: server for server in shown},
    )


def check(facts: Facts) -> list[str]:
    """Everything that is wrong, one line each; empty when all is well."""
    return [
        *_stuck(facts),
        *_claims(facts),
        *_guests(facts),
        *_ports(facts),
        *_images(facts),
        *volumes.check(facts.volumes, facts.servers),
        *_groups(facts),
        *(f"leftover: {leftover}" for leftover in facts.leftovers),
        *_view(facts),
        *(
            f"ran twice: server {o.uuid} on {o.first.host} (generation {o.first.generation}) and "
            f"{o.second.host} (generation {o.second.generation}) for {o.end - o.start:.3f} s"
            for o in facts.overlaps
        ),
    ]


def _stuck(facts: Facts) -> Iterable[str]:
    for workflow in facts.workflows:
        yield f"stuck: workflow {workflow}"
    for uuid, server in facts.servers.items():
        if server["task_state"] is not None or server["vm_state"] == "building":
            yield f"stuck: server {uuid} is {server['vm_state']}/{server['task_state']}"
        elif server["vm_state"] == "error" and not (server["fault"] or {}).get("message"):
            yield f"unexplained: server {uuid} is in error without a fault"


def _claims(facts: Facts) -> Iterable[str]:
    placed = Counter(
        (uuid, s["host"], "server") for uuid, s in facts.servers.items() if s["host"] is not None
    )
    claimed = Counter(facts.claims)
    for uuid, host, purpose in (claimed - placed).elements():
        yield f"claim leaked: {purpose} {uuid} on {host}"
    for uuid, host, _ in (placed - claimed).elements():
        yield f"claim missing: server {uuid} on {host}"
    for error in facts.ledger_errors:
        yield f"ledger wrong: {error}"


def _guests(facts: Facts) -> Iterable[str]:
    found: dict[str, list[Guest]] = defaultdict(list)
    for guest in facts.guests:
        found[guest.uuid].append(guest)
    for uuid, guests in found.items():
        server = facts.servers.get(uuid)
        for guest in guests:
            if server is None or server["host"] is None:
                yield f"orphan guest: {guest} of a server that is nowhere"
            elif (guest.host, guest.generation) != (server["host"], server["generation"]):
                place = f"{server['host']} (generation {server['generation']})"
                yield f"orphan guest: {guest}, its server is on {place}"
    for uuid, server in facts.servers.items():
        if server["vm_state"] != "active":
            continue
        here = [g for g in found[uuid] if (g.host, g.generation) == _place(server)]
        if len(here) != 1:
            yield f"lost: server {uuid} is active and has {len(here)} guests on {_place(server)}"
        else:
            yield from _devices(here[0], _shown_ports(server), facts.volumes.of(uuid))


def _devices(guest: Guest, ports: set[str], disks: frozenset[str]) -> Iterable[str]:
    """A guest has the devices that its server shows."""
    for kind, has, must in (("ports", guest.ports, ports), ("volumes", guest.volumes, disks)):
        if has != must:
            lists = f"has {kind} {sorted(has)}, its server {sorted(must)}"
            yield f"guest differs: that of server {guest.uuid} {lists}"


def _shown_ports(server: Mapping[str, Any]) -> set[str]:
    return {vif["port_id"] for vif in server["network_info"]}


def _place(server: Mapping[str, Any]) -> tuple[Any, Any]:
    return server["host"], server["generation"]


def _ports(facts: Facts) -> Iterable[str]:
    owned: dict[str, set[str]] = defaultdict(set)
    for port, uuid in facts.ports.items():
        owned[uuid].add(port)
        if uuid not in facts.servers:
            yield f"port leaked: {port} of server {uuid}, which is gone"
    for uuid, server in facts.servers.items():
        shown = _shown_ports(server)
        if shown != owned[uuid]:
            yield f"ports differ: server {uuid} shows {sorted(shown)}, has {sorted(owned[uuid])}"


def _images(facts: Facts) -> Iterable[str]:
    """A server that is not shelved has no use for a snapshot; one that is has one."""
    for image, uuid in facts.images.items():
        server = facts.servers.get(uuid)
        if server is None or server["vm_state"] not in ("shelved", "shelved_offloaded"):
            yield f"image leaked: {image} of server {uuid}, which is not shelved"
    kept = Counter(facts.images.values())
    for uuid, count in kept.items():
        if count > 1:
            yield f"image leaked: server {uuid} has {count}"


def _groups(facts: Facts) -> Iterable[str]:
    """Of an anti-affinity group only so many may be on one host."""
    members = Counter(
        (server["server_group"], server["host"])
        for server in facts.servers.values()
        if server["host"] is not None
    )
    for (group, host), count in members.items():
        if group in facts.most_per_host and count > facts.most_per_host[group]:
            yield f"crowded: {count} members of the anti-affinity group {group} are on {host}"


def _view(facts: Facts) -> Iterable[str]:
    if facts.shown is None:
        return
    for uuid in facts.servers.keys() - facts.shown.keys():
        yield f"not shown: server {uuid} is missing in the API"
    for uuid in facts.shown.keys() - facts.servers.keys():
        yield f"not there: server {uuid} is shown by the API only"
    for uuid, server in facts.shown.items():
        if server["status"] == "ERROR" and not server.get("fault", {}).get("message"):
            yield f"unexplained: server {uuid} is shown in ERROR without a fault"
    names = Counter(server["name"] for server in facts.shown.values())
    for name, count in names.items():
        if count > 1:
            yield f"made twice: {count} servers are called {name}"


async def wait_until_sound(
    look: Callable[[], Awaitable[Facts]], clock: Clock, *, deadline: float
) -> tuple[Facts, list[str]]:
    """Look until nothing is wrong or until (monotonic) `deadline`; the last facts and violations.

    Hosts clean up behind a crash with their next report, so the first look may be too early.
    """
    while True:
        facts = await look()
        wrong = check(facts)
        if not wrong or clock.monotonic() >= deadline:
            return facts, wrong
        await clock.sleep(POLL_S)


def as_if_it_had_gone_on(
    compute: Path, host: str, uuids: Iterable[str], *, until: float, scratch: Path
) -> list[Overlap]:
    """The overlaps there would be, had `host` executed the guests of `uuids` until now and not
    been stopped: proof that the check can fail.

    The same logs are judged again without the records that ended those executions, and with a host
    that lived until `until` (epoch seconds). `scratch` is an empty directory for the copies.
    """
    chosen = set(uuids)
    copies = []
    for path in driver_logs(compute):
        place = scratch / path.parent.name
        place.mkdir()
        copy = place / path.name
        text, alive = path.read_bytes(), (path.parent / "alive").read_bytes()
        if path.parent.name == host:
            text, alive = _without_ends(text, chosen), b"%020.6f\n" % until
        copy.write_bytes(text)
        (place / "alive").write_bytes(alive)
        copies.append(copy)
    return overlaps(running_intervals(copies))


def _without_ends(log: bytes, uuids: set[str]) -> bytes:
    """The log as if the guests of `uuids`, once they ran or were made and held, had run on."""
    kept = []
    begun: set[str] = set()
    for line in log.splitlines(keepends=True):
        record = orjson.loads(line)
        if record["uuid"] in uuids:
            if record["event"] == "held" and record["uuid"] not in begun:
                kept.append(orjson.dumps({**record, "event": "running"}) + b"\n")
            elif record["event"] == "running":
                kept.append(line)
            else:
                continue
            begun.add(record["uuid"])
        elif not begun or record["event"] != "host_started":
            kept.append(line)
    return b"".join(kept)
