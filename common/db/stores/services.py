"""Who is alive: reports of services, heartbeats of hosts, registration of agents.

Owns: columns last_seen_up, lease_expires_at, host_id and epoch of `services`, all of
`compute_nodes` but its ledger, and `observer`.
May not: touch disabled or forced_down; those are the operators' (stores/os_services.py).
Crash story: every function is one statement or one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from common.config.settings import ServiceGroupSettings
from common.db.loader import load
from common.db.pool import Pool

_sql = load("services")

OBSERVER_SLACK_S = 1.0
"""Observed time stands still when no conductor has looked for this long; see observed_now()."""


async def service_report(
    pool: Pool, host: str, binary_name: str, settings: ServiceGroupSettings
) -> None:
    """Write the own row of a service with database access, e.g. ("a", "nova-scheduler")."""
    await _sql.report_self(
        pool,
        host=host,
        binary_name=binary_name,
        down_time_s=settings.service_down_time_s,
    )


async def service_goodbye(pool: Pool, host: str, binary_name: str) -> None:
    """A graceful stop: down from now on."""
    await _sql.say_goodbye(pool, host=host, binary_name=binary_name)


async def host_goodbye(pool: Pool, host: str, epoch: str) -> None:
    await _sql.host_goodbye(pool, host=host, epoch=epoch)


Standing = Literal["up", "silent", "fenced"]
"""up: heartbeats are fresh and nobody has declared it down. fenced: what it had does not run there
any more, by the operator's word (forced_down) or its own (a goodbye with its guests stopped).
silent: neither, so it may run what it was told to, and nobody waits for it."""


async def host_standing(pool: Pool, host: str) -> Standing:
    """What may be believed of `host` now. One without a row is silent: its agent may have outlived
    the row."""
    standing: Standing | None = await _sql.host_standing(pool, host=host)
    return standing or "silent"


async def host_exists(pool: Pool, host: str) -> bool:
    """Whether it has a compute service; an operator who deletes that says that the host is gone."""
    return bool(await _sql.host_exists(pool, host=host))


async def host_is_up(pool: Pool, host: str) -> bool:
    """Fresh heartbeats and not forced down."""
    return bool(await _sql.host_is_up(pool, host=host))


async def host_reports(pool: Pool, host: str) -> bool:
    """Fresh heartbeats, forced down or not."""
    return bool(await _sql.host_reports(pool, host=host))


@dataclass
class Heartbeats:
    """Heartbeats received since the last flush, one entry per host."""

    hosts: list[str] = field(default_factory=list)
    epochs: list[str] = field(default_factory=list)
    ages_s: list[float] = field(default_factory=list)
    uptimes: list[str | None] = field(default_factory=list)
    running_guests: list[int] = field(default_factory=list)


async def beat(pool: Pool, heartbeats: Heartbeats, down_time_s: float) -> float:
    """Move observed time on and write what was heard; returns seconds given back after an outage
    of all observers (0.0 normally)."""
    async with pool.acquire() as connection, connection.transaction():
        gap_s: float = await _sql.lock_observer(connection)
        given_back_s = gap_s if gap_s > OBSERVER_SLACK_S else 0.0
        if given_back_s:
            await _sql.extend_leases(connection, gap_s=gap_s, down_time_s=down_time_s)
        await _sql.beat(connection)
        if heartbeats.hosts:
            await _sql.record_heartbeats(
                connection,
                hosts=heartbeats.hosts,
                epochs=heartbeats.epochs,
                ages_s=heartbeats.ages_s,
                uptimes=heartbeats.uptimes,
                running_guests=heartbeats.running_guests,
                down_time_s=down_time_s,
            )
    return given_back_s


async def host_register(
    pool: Pool,
    *,
    host: str,
    host_id: str,
    epoch: str,
    resources: dict[str, Any],
    down_time_s: float,
) -> str | None:
    """Make this life of the agent the one that reports for `host`; returns why not, or None.

    Refused while another machine's agent (another `host_id`) is alive under the same name. The
    same machine may always take over: a lock in its state directory keeps it to one agent.
    """
    async with pool.acquire() as connection, connection.transaction():
        present = await _sql.lock_host(connection, host=host)
        if present and present["fresh"] and present["host_id"] not in (None, host_id):
            return (
                f"another machine reports as {host!r} and is alive; "
                "give this host another name (MUSTER_COMPUTE__HOST_NAME) or stop the other agent"
            )
        service_id = await _sql.register_host(
            connection, host=host, host_id=host_id, epoch=epoch, down_time_s=down_time_s
        )
        await _sql.upsert_compute_node(
            connection, service_id=service_id, host=host, resources=resources
        )
    return None


async def host_refresh(pool: Pool, *, host: str, epoch: str, resources: dict[str, Any]) -> bool:
    """Write resources of a registered host; False when another life has registered since."""
    async with pool.acquire() as connection, connection.transaction():
        present = await _sql.lock_host(connection, host=host)
        if present is None or present["epoch"] != epoch:
            return False
        service_id = await connection.fetchval(
            "select id from services where host = $1 and binary_name = 'nova-compute'", host
        )
        await _sql.upsert_compute_node(
            connection, service_id=service_id, host=host, resources=resources
        )
    return True


@dataclass(frozen=True)
class GuestTruth:
    """What the database says about one guest that a host reports."""

    uuid: UUID
    host: str | None
    generation: int
    last_generation: int
    deleted: bool
    vm_state: str
    task_state: str | None
    power_state: int
    workflow_id: int | None
    """The workflow that owns the server now."""
    moves: list[str]
    """Unfinished moves that touch the host, e.g. "evacuation:source"."""
    kept_generations: list[int] = field(default_factory=list)
    """Generations of guests that moves away from the host may still return to."""


async def guests_truth(pool: Pool, host: str, uuids: Sequence[UUID]) -> dict[UUID, GuestTruth]:
    """By server uuid; a guest nobody knows is absent."""
    if not uuids:
        return {}
    rows = [row async for row in _sql.guests_truth(pool, host=host, uuids=list(uuids))]
    return {row["uuid"]: GuestTruth(**dict(row)) for row in rows}


async def evacuations_complete(pool: Pool, host: str, still_there: Sequence[UUID]) -> list[UUID]:
    """Close evacuations away from `host` whose guests it no longer has; their servers."""
    rows = _sql.complete_evacuations(pool, host=host, still_there=list(still_there))
    return [row["server_uuid"] async for row in rows]


async def generations_adopt(pool: Pool, host: str, guests: Sequence[tuple[UUID, int]]) -> None:
    """Let the truth follow (uuid, generation) of guests that the host was asked to make."""
    if guests:
        uuids, generations = zip(*guests, strict=True)
        await _sql.adopt_generations(
            pool, host=host, uuids=list(uuids), generations=list(generations)
        )


async def power_states_record(
    pool: Pool,
    host: str,
    guests: Sequence[tuple[UUID, int, int]],
    wrong: Sequence[tuple[str, int]],
) -> list[tuple[UUID, str, int]]:
    """Write (uuid, generation, power_state) of idle servers; returns (uuid, vm_state, power_state)
    of those whose vm_state and power_state are one of the pairs `wrong`."""
    if not guests:
        return []
    uuids, generations, states = zip(*guests, strict=True)
    wrong_vm_states, wrong_power_states = zip(*wrong, strict=True)
    rows = _sql.record_power_states(
        pool,
        host=host,
        uuids=list(uuids),
        generations=list(generations),
        power_states=list(states),
        wrong_vm_states=list(wrong_vm_states),
        wrong_power_states=list(wrong_power_states),
    )
    return [(row["uuid"], row["vm_state"], row["power_state"]) async for row in rows]
