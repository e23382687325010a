"""Claims: which server holds how much of which host.

Owns: table `allocations` and the ledger columns of `compute_nodes`, which always sum it up.
May not: choose hosts; the scheduler proposes them, and a claim takes the first that has room.
Crash story: claims are made and given back by the statement that commits a workflow's step
(stores/commit.py), together with it or not at all. Nothing is to be found again or counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from common.db.loader import load
from common.db.pool import Connection, Pool
from common.db.statement import Statement

_sql = load("claims")

Executor: TypeAlias = Pool | Connection
Purpose = Literal["server", "migration"]


@dataclass(frozen=True)
class Resources:
    """What a server takes from a host."""

    vcpus: int
    memory_mib: int
    disk_gib: int


@dataclass(frozen=True)
class Ratios:
    """How often each unit of a host that is not reserved may be promised."""

    cpu: float
    ram: float
    disk: float


@dataclass(frozen=True)
class Claim:
    """Room for the server on the first of `hosts` that has it."""

    hosts: Sequence[str]
    purpose: Purpose
    resources: Resources
    ratios: Ratios
    forced: bool = False
    """Capacity and group count; whether the host is up, enabled or in the zone does not."""
    group: UUID | None = None
    """The server's group, whose policy is kept whoever claims at the same moment."""
    zone: str | None = None
    """Only hosts in it; those in none count as being in `default_zone`."""
    default_zone: str = ""


@dataclass(frozen=True)
class Release:
    """Which of the server's claims are given back; None leaves nothing out."""

    purpose: Purpose | None = None
    """Only those of this purpose."""
    keep_host: str | None = None
    """Not those on this host."""


@dataclass(frozen=True)
class LedgerError:
    """A host whose ledger is wrong: what it says and what its allocations sum up to."""

    host: str
    ledger: Resources
    ledger_count: int
    claimed: Resources
    claimed_count: int


# Parts of the commit statement. They read `server` (the server's uuid, its row locked; empty: write
# nothing), `nodes` (hosts, locked, in their newest version) and `done` (the workflow's row; empty:
# write nothing), which stores/commit.py puts before them. Who reads from a part comes after it;
# nothing else in a WITH sets an order.

NODE_COLUMNS = """n.host, n.hypervisor_hostname as node, n.service_id, n.failed_builds,
           n.availability_zone,
           n.vcpus, n.vcpus_used, n.reserved_vcpus,
           n.memory_mib, n.memory_mib_used, n.reserved_memory_mib,
           n.disk_gib, n.disk_gib_used, n.reserved_disk_gib"""


def add_group(s: Statement, group: UUID, after: str) -> None:
    """`grp`: the server's group, locked, so that one member claims after the other; no row when it
    is gone. Its policy is asked about each host in `claimed`, by a function that sees what those
    before us have committed."""
    s.part(
        "grp",
        f"""
    select g as asked from server_groups g
     where g.uuid = {s.value(group)} and exists (select from server)
       and (select count(*) from {after}) >= 0
       for no key update of g""",
    )


def add_claimed(s: Statement, claim: Claim) -> None:
    """`claimed`: the first host of the walk that is in service, has room and is let by the server's
    group, or no row."""
    r = claim.resources
    room = " and ".join(
        _room(s, column, amount, ratio)
        for column, amount, ratio in (
            ("vcpus", r.vcpus, claim.ratios.cpu),
            ("memory_mib", r.memory_mib, claim.ratios.ram),
            ("disk_gib", r.disk_gib, claim.ratios.disk),
        )
    )
    conditions = [room]
    if claim.zone is not None and not claim.forced:
        conditions.append(
            f"coalesce(n.availability_zone, {s.value(claim.default_zone, 'text')})"
            f" = {s.value(claim.zone, 'text')}"
        )
    if claim.group is not None:
        conditions.append(
            "not exists (select from grp, server"
            " where not group_allows(grp.asked, n.host, server.uuid))"
        )
    s.part(
        "claimed",
        f"""
    select n.host, n.node
      from unnest({s.value(list(claim.hosts), "text[]")}) with ordinality as walk (host, place)
      join nodes n using (host) join services s on s.id = n.service_id
     where ({s.value(claim.forced, "boolean")}
            or (not s.disabled and not s.forced_down
                and s.lease_expires_at >= (select observed_now())))
       and {" and ".join(conditions)}
     order by walk.place limit 1""",
    )


def _room(s: Statement, column: str, amount: int, ratio: float) -> str:
    """One server may have at most all of a host's own; who asks for nothing fits everywhere, also
    where a host has shrunk below what is used."""
    asked = s.value(amount, "integer")
    return (
        f"({asked} = 0 or ({asked} <= n.{column} and n.{column}_used + {asked}"
        f" <= (n.{column} - n.reserved_{column}) * {s.value(ratio, 'double precision')}))"
    )


def add_allocation(s: Statement, claim: Claim) -> None:
    """`allocation`: the claim's row. One that is there already is not counted again (schedulers of
    an older release have claimed for the step that is now repeated)."""
    r = claim.resources
    s.part(
        "allocation",
        f"""
    insert into allocations (server_uuid, host, purpose, vcpus, memory_mib, disk_gib)
    select done.server_uuid, claimed.host, {s.value(claim.purpose, "text")},
           {s.value(r.vcpus, "integer")}, {s.value(r.memory_mib, "integer")},
           {s.value(r.disk_gib, "integer")}
      from done, claimed
    on conflict do nothing
    returning host, vcpus, memory_mib, disk_gib""",
    )


def add_gone(s: Statement, release: Release | None, promote: str | None) -> None:
    """`gone`: the claims that are given back. A promotion gives back all but the claim of the move;
    without that claim (it was done before) it changes nothing."""
    matches = []
    if release is not None:
        conditions = ["true"]
        if release.purpose is not None:
            conditions.append(f"a.purpose = {s.value(release.purpose, 'text')}")
        if release.keep_host is not None:
            conditions.append(f"a.host <> {s.value(release.keep_host, 'text')}")
        matches.append(" and ".join(conditions))
    if promote is not None:
        host = s.value(promote, "text")
        matches.append(
            f"not (a.host = {host} and a.purpose = 'migration')"
            " and exists (select from allocations m where m.server_uuid = server.uuid"
            f" and m.host = {host} and m.purpose = 'migration')"
        )
    s.part(
        "gone",
        f"""
    delete from allocations a using server
     where a.server_uuid = server.uuid and (({") or (".join(matches)}))
    returning a.host, a.vcpus, a.memory_mib, a.disk_gib""",
    )


def add_promoted(s: Statement, host: str) -> None:
    """After `gone`: on a resize in place the old claim has the key that the new one takes."""
    s.part(
        "promoted",
        f"""
    update allocations a set purpose = 'server'
      from server, (select count(*) from gone) as after_the_deletion
     where a.server_uuid = server.uuid and a.host = {s.value(host, "text")}
       and a.purpose = 'migration'""",
    )


def add_ledger(s: Statement, sources: Sequence[str]) -> None:
    """`ledger`: all that changes on hosts, summed up, because a statement may change a row once.
    `sources`: selects of (host, vcpus, memory_mib, disk_gib, claims, failed_builds), signed."""
    s.part(
        "ledger",
        f"""
    update compute_nodes n
       set vcpus_used = n.vcpus_used + d.vcpus,
           memory_mib_used = n.memory_mib_used + d.memory_mib,
           disk_gib_used = n.disk_gib_used + d.disk_gib,
           allocations_count = n.allocations_count + d.claims,
           failed_builds = n.failed_builds + d.failed_builds
      from (select host, sum(vcpus) as vcpus, sum(memory_mib) as memory_mib,
                   sum(disk_gib) as disk_gib, sum(claims) as claims,
                   sum(failed_builds) as failed_builds
              from ({" union all ".join(sources)})
                   as change (host, vcpus, memory_mib, disk_gib, claims, failed_builds)
             group by host) d
      join nodes using (host)
     where n.host = d.host""",
    )


async def ledger_errors(db: Executor) -> list[LedgerError]:
    """Empty unless somebody wrote past this module."""
    return [
        LedgerError(
            host=row["host"],
            ledger=Resources(row["vcpus_used"], row["memory_mib_used"], row["disk_gib_used"]),
            ledger_count=row["allocations_count"],
            claimed=Resources(
                row["vcpus_claimed"], row["memory_mib_claimed"], row["disk_gib_claimed"]
            ),
            claimed_count=row["claims"],
        )
        async for row in _sql.ledger_errors(db)
    ]
