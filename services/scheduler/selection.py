"""Answers one question from a copy of all hosts: the best host and its alternates.

Owns: when a copy is too old to answer from, and that a no is true.
May not: filter or weigh (placement.py), write, or decide capacity (the conductor's claim does).
Crash story: nothing is held; the question is asked again, of another scheduler.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import numpy as np
import structlog

from common.config.scheduler import SchedulerSettings
from common.db.pool import Pool
from common.db.stores.claims import Ratios
from common.db.stores.server_groups import GroupPlacement
from common.messages.scheduler import HostSelected, SelectHost
from common.runtime.ports import Clock, Random
from services.scheduler import filters
from services.scheduler.facts import Facts
from services.scheduler.hosts import Hosts, Request
from services.scheduler.placement import Plan, place
from services.scheduler.promises import Promises
from services.scheduler.questions import group_for, read_group, read_request
from services.scheduler.snapshot import Snapshots

log = structlog.get_logger(__name__)


def ratios(settings: SchedulerSettings) -> Ratios:
    return Ratios(
        cpu=settings.cpu_allocation_ratio,
        ram=settings.ram_allocation_ratio,
        disk=settings.disk_allocation_ratio,
    )


class Selector:
    """Shared by all requests of a process; they run concurrently. Raises `ValueError` for a filter
    that is enabled and does not exist."""

    def __init__(
        self, pool: Pool, clock: Clock, random: Random, settings: SchedulerSettings, zone: str
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._settings = settings
        self._promises = Promises(settings.promise_s)
        self._snapshots = Snapshots(pool, clock, ratios(settings), zone, self._promises)
        self._facts = Facts(pool, clock)
        self._filters = filters.enabled(settings.enabled_filters)
        self._tie_breaker = np.random.default_rng(int(random.random() * 2**53))

    async def select(self, question: SelectHost) -> HostSelected:
        """Hosts to claim, best first, or why there is none. Raises what the database raises."""
        arrived = self._clock.monotonic()
        server = UUID(question.server_uuid)
        request = await read_request(self._pool, question, self._settings)
        group = await read_group(self._pool, question)
        old = arrived if question.fresh else arrived - self._settings.snapshot_max_age_s
        hosts = await self._read(request, old, arrived - self._settings.facts_max_age_s)
        self._promises.withdraw(server)
        plan = self._place(hosts, self._with_group(request, question, group))
        if not plan.candidates.size and self._is_old(hosts, arrived):
            hosts = await self._read(request, arrived, arrived)
            plan = self._place(hosts, self._with_group(request, question, group))
        if not plan.candidates.size and self._promises.any():
            request = replace(request, group=group_for(group, server, ()))
            plan = self._place(hosts.without_promises(), request)
        if not plan.candidates.size:
            log.info("no_valid_host", server=question.server_uuid, reason=plan.reason)
            return HostSelected(host=None, reason=plan.reason, eliminated=plan.eliminated)
        # From the last await to here nobody else has been answered.
        best, *others = plan.candidates[: self._settings.max_alternates + 1].tolist()
        self._promises.make(
            server,
            hosts.names[best],
            request.amounts,
            self._clock.monotonic(),
            UUID(question.server_group) if question.server_group else None,
        )
        return HostSelected(
            host=hosts.names[best],
            node=hosts.nodes[best],
            availability_zone=str(hosts.zones[best]),
            alternates=[hosts.names[position] for position in others],
            eliminated=plan.eliminated,
        )

    async def _read(self, request: Request, hosts_since: float, facts_since: float) -> Hosts:
        """All hosts, with what is known of them if the request is about it."""
        hosts = await self._snapshots.get(hosts_since)
        if any(each.needs_facts(request) for each in self._filters):
            return await self._facts.beside(hosts, facts_since)
        return hosts

    def _is_old(self, hosts: Hosts, arrived: float) -> bool:
        return hosts.read_at < arrived or (bool(hosts.kinds) and self._facts.read_at < arrived)

    def _with_group(
        self, request: Request, question: SelectHost, group: GroupPlacement | None
    ) -> Request:
        if group is None or question.server_group is None:
            return request
        promised = self._promises.of_group(UUID(question.server_group))
        return replace(request, group=group_for(group, UUID(question.server_uuid), promised))

    def _place(self, hosts: Hosts, request: Request) -> Plan:
        return place(hosts, request, self._filters, self._tie_breaker)
