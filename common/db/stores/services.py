"""Who is alive: reports of services, heartbeats of hosts, registration of agents.

Owns: columns last_seen_up, lease_expires_at, host_id, epoch and inventory of `services` (a commit
that changes the truth for a host takes its inventory back), all of `compute_nodes` but its ledger,
and `observer`.
May not: touch disabled or forced_down; those are the operators' (stores/os_services.py).
Crash story: every function is one statement or one transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from common.config.settings import ServiceGroupSettings
from common.db.loader import load
from common.db.pool import Pool, PoolConnection

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


async def host_goodbye(pool: Pool, host: str, epoch: str, *, guests_stopped: bool) -> None:
    """The last word of an agent's life: down from now on, and fenced when its guests stopped."""
    await _sql.host_goodbye(pool, host=host, epoch=epoch, guests_stopped=guests_stopped)


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
    return await host_standing(pool, host) == "up"


async def host_reports(pool: Pool, host: str) -> bool:
    """Fresh heartbeats, forced down or not."""
    return bool(await _sql.host_reports(pool, host=host))


@dataclass
class Heartbeats:
    """Heartbeats received since the last flush, one entry per host."""

    hosts: list[str] = field(default_factory=list)
    epochs: list[str] = field(default_factory=list)
    ages_s: list[float] = field(default_factory=list)
    inventories: list[str | None] = field(default_factory=list)


@dataclass(frozen=True)
class Hearing:
    """What a conductor knows of its own hearing as it sends a beat."""

    listened_s: float
    """For how long it would have heard every heartbeat, without a break until now."""
    previous_at: dt.datetime | None = None
    """`Beat.at` of its previous beat."""
    elapsed_s: float = 0.0
    """Seconds since it sent that, by its own clock."""


@dataclass(frozen=True)
class Beat:
    """What a beat has found."""

    at: dt.datetime
    """By the database's clock."""
    given_back_s: float
    """How much longer every lease lasts after an outage of all observers; 0.0 normally."""
    changed: list[str]
    """Hosts whose inventory is not the one that was last found settled, or of which another life
    is registered than the one that beats."""


async def beat(
    pool: Pool | PoolConnection, heartbeats: Heartbeats, hearing: Hearing, *, down_time_s: float
) -> Beat:
    """Move observed time on and write what was heard. The part of the gap between beats in which
    the caller has not been listening is an outage."""
    row = await _sql.beat(
        pool,
        hosts=heartbeats.hosts,
        epochs=heartbeats.epochs,
        ages_s=heartbeats.ages_s,
        inventories=heartbeats.inventories,
        listened_s=hearing.listened_s,
        previous_at=hearing.previous_at,
        elapsed_s=hearing.elapsed_s,
        slack_s=OBSERVER_SLACK_S,
        down_time_s=down_time_s,
    )
    return Beat(**dict(row))


async def host_register(
    pool: Pool, *, host: str, host_id: str, epoch: str, down_time_s: float
) -> bool:
    """Make this life of the agent the one that reports for `host`; False: it may not.

    Refused while another machine's agent (another `host_id`) is alive under the same name. The
    same machine may always take over: a lock in its state directory keeps it to one agent. Refused
    too when this life has said goodbye.
    """
    registered = await _sql.register_host(
        pool, host=host, host_id=host_id, epoch=epoch, down_time_s=down_time_s
    )
    return registered is not None


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


@dataclass(frozen=True)
class HostTruth:
    """What the database says to the present life of a host's agent."""

    as_of: str
    """Version of the host's row; other than now when somebody has written to it since."""
    guests: dict[UUID, GuestTruth]
    """By server; a guest nobody knows is absent."""


async def guests_truth(
    pool: Pool, host: str, epoch: str, uuids: Sequence[UUID]
) -> HostTruth | None:
    """The truth about servers of which `host` has guests; None when another life reports for it."""
    found = _sql.guests_truth(pool, host=host, epoch=epoch, uuids=list(uuids))
    rows = [dict(row) async for row in found]
    (as_of,) = {row.pop("as_of") for row in rows}
    if as_of is None:
        return None
    return HostTruth(as_of, {row["uuid"]: GuestTruth(**row) for row in rows if row["uuid"]})


@dataclass(frozen=True)
class Settling:
    """What a full report has changed."""

    registered: bool
    """False: another life reports for the host by now, and nothing was written."""
    evacuated: list[UUID]
    """Servers whose evacuation is complete: the host no longer has their guests."""
    gone: list[UUID]
    """Servers of which a guest was left over and is no longer there."""


async def report_settle(
    pool: Pool,
    *,
    host: str,
    epoch: str,
    resources: dict[str, Any],
    guests: Sequence[tuple[UUID, int, bool]],
    inventory: str | None,
    as_of: str,
) -> Settling:
    """Write what a full report says: resources and (uuid, generation, newer) of all its guests.
    The truth follows those that are newer. `inventory`: its hash if nothing is left to do about it,
    remembered unless the truth for this host has changed since `as_of`."""
    uuids, generations, newer = zip(*guests, strict=True) if guests else ((), (), ())
    row = await _sql.settle_report(
        pool,
        host=host,
        epoch=epoch,
        resources=resources,
        uuids=list(uuids),
        generations=list(generations),
        newer=list(newer),
        inventory=inventory,
        as_of=as_of,
    )
    return Settling(**dict(row))


@dataclass(frozen=True)
class PowerMismatch:
    """An idle server whose guest is in a state that does not go together with the server's."""

    uuid: UUID
    vm_state: str
    power_state: int
    judged: bool
    """False: the server has changed so lately that the report may be older; nothing is known."""


async def power_states_record(
    pool: Pool,
    host: str,
    epoch: str,
    guests: Sequence[tuple[UUID, int, int]],
    *,
    wrong: Sequence[tuple[str, int]],
    late_s: float,
) -> list[PowerMismatch]:
    """Write (uuid, generation, power_state) of idle servers that have not changed for `late_s`, the
    longest time a report takes. Returns those whose vm_state and power_state are one of the pairs
    `wrong`, and those that could not be judged."""
    uuids, generations, states = zip(*guests, strict=True)
    wrong_vm_states, wrong_power_states = zip(*wrong, strict=True)
    rows = _sql.record_power_states(
        pool,
        host=host,
        epoch=epoch,
        uuids=list(uuids),
        generations=list(generations),
        power_states=list(states),
        wrong_vm_states=list(wrong_vm_states),
        wrong_power_states=list(wrong_power_states),
        late_s=late_s,
    )
    return [PowerMismatch(**dict(row)) async for row in rows]
