"""Answers one question from a copy of all hosts: the best host and its alternates.

Owns: when a copy is too old to answer from, and that a no is true.
May not: filter or weigh (placement.py), write, or decide capacity (the conductor's claim does).
Crash story: nothing is held; the question is asked again, of another scheduler.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import numpy as np
import structlog

from common.config.settings import SchedulerSettings
from common.db.pool import Pool
from common.db.stores.claims import Ratios
from common.db.stores.placement import hosts_of
from common.messages.scheduler import HostSelected, SelectHost
from common.runtime.ports import Clock, Random
from services.scheduler.hosts import Hosts, Request
from services.scheduler.placement import Plan, place
from services.scheduler.promises import Promises
from services.scheduler.snapshot import Snapshots
from services.scheduler.weighers import WEIGHERS

log = structlog.get_logger(__name__)


def ratios(settings: SchedulerSettings) -> Ratios:
    return Ratios(
        cpu=settings.cpu_allocation_ratio,
        ram=settings.ram_allocation_ratio,
        disk=settings.disk_allocation_ratio,
    )


def hinted_uuids(hint: Any) -> list[UUID]:
    """A hint names one server or a list of them; what is no UUID names none."""
    named: Iterable[Any] = hint if isinstance(hint, list) else [hint]
    found = []
    for name in named:
        try:
            found.append(UUID(str(name)))
        except ValueError:
            log.info("hint_is_no_uuid", hint=str(name)[:100])
    return found


class Selector:
    """Shared by all requests of a process; they run concurrently."""

    def __init__(
        self, pool: Pool, clock: Clock, random: Random, settings: SchedulerSettings, zone: str
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._settings = settings
        self._promises = Promises(settings.promise_s)
        self._snapshots = Snapshots(pool, clock, ratios(settings), zone, self._promises)
        self._multipliers: dict[str, float] = {
            each.name: getattr(settings, f"{each.name}_weight_multiplier") for each in WEIGHERS
        }
        self._tie_breaker = np.random.default_rng(int(random.random() * 2**53))

    async def select(self, question: SelectHost) -> HostSelected:
        """Hosts to claim, best first, or why there is none. Raises what the database raises."""
        arrived = self._clock.monotonic()
        server = UUID(question.server_uuid)
        request = await self._request(question)
        old = arrived if question.fresh else arrived - self._settings.snapshot_max_age_s
        hosts = await self._snapshots.get(old)
        self._promises.withdraw(server)
        plan = self._place(hosts, request)
        if not plan.candidates.size and hosts.read_at < arrived:
            hosts = await self._snapshots.get(arrived)
            plan = self._place(hosts, request)
        if not plan.candidates.size and hosts.promises.any():
            plan = self._place(hosts.without_promises(), request)
        if not plan.candidates.size:
            log.info("no_valid_host", server=question.server_uuid, reason=plan.reason)
            return HostSelected(host=None, reason=plan.reason, eliminated=plan.eliminated)
        # From the last await to here nobody else has been answered.
        best, *others = plan.candidates[: self._settings.max_alternates + 1].tolist()
        self._promises.make(server, hosts.names[best], request.amounts, self._clock.monotonic())
        return HostSelected(
            host=hosts.names[best],
            node=hosts.nodes[best],
            availability_zone=str(hosts.zones[best]),
            alternates=[hosts.names[position] for position in others],
            eliminated=plan.eliminated,
        )

    async def _request(self, question: SelectHost) -> Request:
        hints = question.scheduler_hints
        same, different = hints.get("same_host"), hints.get("different_host")
        return Request(
            amounts=(question.vcpus, question.memory_mib, question.disk_gib),
            availability_zone=question.availability_zone,
            force_host=question.force_host,
            requested_host=question.requested_host,
            exclude_hosts=frozenset(question.exclude_hosts),
            same_hosts=await hosts_of(self._pool, hinted_uuids(same)) if same else None,
            different_hosts=(
                await hosts_of(self._pool, hinted_uuids(different)) if different else frozenset()
            ),
        )

    def _place(self, hosts: Hosts, request: Request) -> Plan:
        return place(hosts, request, self._multipliers, self._tie_breaker)
