"""Claims: which server holds how much of which host.

Owns: table `allocations` and the ledger columns of `compute_nodes`, which always sum it up.
May not: choose hosts; the scheduler does.
Crash story: a claim is one transaction and finds itself again when repeated; a release gives back
exactly the rows it deletes. Nothing can be counted twice or forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias
from uuid import UUID

from common.db.loader import load
from common.db.pool import Connection, Pool

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
    """A row of table allocations."""

    server_uuid: UUID
    host: str
    purpose: Purpose
    resources: Resources


@dataclass(frozen=True)
class LedgerError:
    """A host whose ledger is wrong: what it says and what its allocations sum up to."""

    host: str
    ledger: Resources
    ledger_count: int
    claimed: Resources
    claimed_count: int


@dataclass(frozen=True)
class Held:
    """A claim is held on `host`."""

    host: str
    is_new: bool
    """False: an earlier request has made it."""


class Refusal(Enum):
    """Why there is no claim."""

    HOST = "host"  # no room, or not to be used (any more): try another
    REQUEST = "request"  # nobody wants it any more: its workflow or its server is over


@dataclass(frozen=True)
class ClaimRequest:
    """For whom and how much. `exclude_hosts`: claims there are not the answer to this request."""

    server_uuid: UUID
    purpose: Purpose
    resources: Resources
    workflow_id: int | None = None
    """The workflow that asks; its end is the end of all claims for it."""
    exclude_hosts: Collection[str] = ()
    only_host: str | None = None
    forced: bool = False
    """Capacity counts, whether the host is up or enabled does not."""


async def claim(pool: Pool, request: ClaimRequest, host: str, ratios: Ratios) -> Held | Refusal:
    """Claim room on `host`.

    What is held is on another host when an earlier request of the server holds a claim there.
    Two statements in one transaction: the second must see what was committed while the first
    waited for its turn.
    """
    async with pool.acquire() as connection, connection.transaction():
        if not await _sql.still_wanted(
            connection, server_uuid=request.server_uuid, workflow_id=request.workflow_id
        ):
            return Refusal.REQUEST
        row = await _sql.claim(
            connection,
            server_uuid=request.server_uuid,
            host=host,
            purpose=request.purpose,
            vcpus=request.resources.vcpus,
            memory_mib=request.resources.memory_mib,
            disk_gib=request.resources.disk_gib,
            cpu_ratio=ratios.cpu,
            ram_ratio=ratios.ram,
            disk_ratio=ratios.disk,
            forced=request.forced,
            exclude_hosts=list(request.exclude_hosts),
            only_host=request.only_host,
        )
    return Held(row["host"], row["is_new"]) if row["host"] is not None else Refusal.HOST


async def standing(db: Executor, request: ClaimRequest) -> str | None:
    """The host on which the server already holds what it asks for."""
    host: str | None = await _sql.standing(
        db,
        server_uuid=request.server_uuid,
        purpose=request.purpose,
        exclude_hosts=list(request.exclude_hosts),
        only_host=request.only_host,
    )
    return host


async def release(
    db: Executor,
    server_uuid: UUID,
    *,
    host: str | None = None,
    purpose: Purpose | None = None,
    keep_host: str | None = None,
) -> int:
    """Give back the server's claims that match; None matches all. `keep_host`: not those there.

    Returns how many there were; 0 when it was done before.
    """
    count: int = await _sql.release(
        db, server_uuid=server_uuid, host=host, purpose=purpose, keep_host=keep_host
    )
    return count


async def promote(db: Executor, server_uuid: UUID, host: str) -> bool:
    """A move to `host` has ended well: its claim of purpose `migration` becomes the server's, and
    all claims of purpose `server` are given back, also one on the same host (resize in place).

    False, and nothing changed, when there is no such claim (it was done before).
    """
    return bool(await _sql.promote(db, server_uuid=server_uuid, host=host))


async def change_purpose(
    db: Executor, server_uuid: UUID, host: str, *, before: Purpose, after: Purpose
) -> bool:
    """Rename a claim; False when there is none to rename. Raises asyncpg.UniqueViolationError
    when the server holds both on this host: see `promote`."""
    changed = await _sql.change_purpose(
        db, server_uuid=server_uuid, host=host, before=before, after=after
    )
    return bool(changed)


async def claims_of(db: Executor, server_uuid: UUID) -> list[Claim]:
    """Oldest first."""
    return [
        Claim(
            server_uuid=row["server_uuid"],
            host=row["host"],
            purpose=row["purpose"],
            resources=Resources(row["vcpus"], row["memory_mib"], row["disk_gib"]),
        )
        async for row in _sql.claims_of(db, server_uuid=server_uuid)
    ]


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
