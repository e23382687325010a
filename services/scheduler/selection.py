"""Answers one question: plan on a copy, claim in the database, go on with the next candidate.

Owns: how often to try, when a copy is too old to say no from, and the wording of a no.
May not: filter or weigh (placement.py), decide capacity (the claim does).
Crash story: a claim without its answer is found again when the conductor repeats the question;
when nobody repeats it, the workflow that asked gives all its claims back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import numpy as np
import structlog

from common.config.settings import SchedulerSettings
from common.db.pool import Pool
from common.db.stores import claims
from common.db.stores.claims import ClaimRequest, Held, Ratios, Refusal, Resources
from common.db.stores.placement import hosts_of
from common.messages.scheduler import HostSelected, SelectHost
from common.runtime.ports import Clock, Random
from services.scheduler.hosts import Hosts, Request
from services.scheduler.placement import Plan, no_valid_host, place
from services.scheduler.snapshot import Snapshots
from services.scheduler.weighers import WEIGHERS

log = structlog.get_logger(__name__)

CLAIMS_PER_PLAN = 8
"""After so many refusals in a row the copy is too wrong to go on with."""
PLANS = 10
"""Then the hosts are being filled faster than we can read them."""

OVER = "No valid host was found. The request is over: its server or its workflow has ended."


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
        self,
        pool: Pool,
        clock: Clock,
        random: Random,
        settings: SchedulerSettings,
        snapshots: Snapshots,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._settings = settings
        self._snapshots = snapshots
        self._ratios = ratios(settings)
        self._multipliers: dict[str, float] = {
            each.name: getattr(settings, f"{each.name}_weight_multiplier") for each in WEIGHERS
        }
        self._tie_breaker = np.random.default_rng(int(random.random() * 2**53))

    async def select(self, question: SelectHost) -> HostSelected:
        """A claimed host, or why there is none. Raises what the database raises."""
        arrived = self._clock.monotonic()
        request = await self._request(question)
        wanted = ClaimRequest(
            server_uuid=UUID(question.server_uuid),
            purpose=question.purpose,
            resources=Resources(question.vcpus, question.memory_mib, question.disk_gib),
            workflow_id=question.workflow_id,
            exclude_hosts=request.exclude_hosts,
            only_host=question.force_host or question.requested_host,
            forced=question.force_host is not None,
        )
        not_older_than = arrived - self._settings.snapshot_max_age_s
        for _ in range(PLANS):
            hosts = await self._snapshots.get(not_older_than)
            plan = self._place(hosts, request)
            if not plan.candidates.size:
                if hosts.read_at >= arrived:
                    break
                not_older_than = arrived
                continue
            held = await self._claim(hosts, plan, request, wanted)
            if isinstance(held, Held):
                return self._selected(hosts, plan, held.host)
            if held is Refusal.REQUEST:
                return HostSelected(host=None, reason=OVER)
        # What fills the hosts may be our own claim, made for an answer that was lost.
        if (standing := await claims.standing(self._pool, wanted)) is not None:
            return self._selected(hosts, plan, standing)
        return self._refused(question, plan)

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
        """Around the claims that are in the air; when they leave no room, as if they were not,
        because they may yet fail and a no must be true."""
        plan = place(hosts, request, self._multipliers, self._tie_breaker)
        if not plan.candidates.size and hosts.pending.any():
            plan = place(hosts.without_pending(), request, self._multipliers, self._tie_breaker)
        return plan

    async def _claim(
        self, hosts: Hosts, plan: Plan, request: Request, wanted: ClaimRequest
    ) -> Held | Refusal:
        """The best candidate that does not refuse, or Refusal.HOST when the copy is wrong."""
        for position in plan.candidates[:CLAIMS_PER_PLAN].tolist():
            host = hosts.names[position]
            held: Held | Refusal = Refusal.HOST
            hosts.reserve(position, request.amounts)
            try:
                held = await claims.claim(self._pool, wanted, host, self._ratios)
            finally:
                counts = isinstance(held, Held) and held.is_new
                hosts.settle(position, request.amounts, claimed=counts)
            if held is not Refusal.HOST:
                return held
            self._snapshots.distrust(hosts)
            log.info("claim_refused", host=host, server=str(wanted.server_uuid))
        return Refusal.HOST

    def _selected(self, hosts: Hosts, plan: Plan, held: str) -> HostSelected:
        position = hosts.index.get(held)
        best = plan.candidates[: self._settings.max_alternates + CLAIMS_PER_PLAN].tolist()
        if position in best:
            best = best[best.index(position) + 1 :]
        return HostSelected(
            host=held,
            node=hosts.nodes[position] if position is not None else held,
            availability_zone=str(hosts.zones[position]) if position is not None else None,
            alternates=[hosts.names[p] for p in best[: self._settings.max_alternates]],
            eliminated=plan.eliminated,
        )

    def _refused(self, question: SelectHost, plan: Plan) -> HostSelected:
        eliminated = dict(plan.eliminated)
        if plan.candidates.size:
            eliminated["other requests meanwhile"] = int(plan.candidates.size)
        reason = no_valid_host(plan.considered, eliminated)
        log.info("no_valid_host", server=question.server_uuid, reason=reason)
        return HostSelected(host=None, reason=reason, eliminated=eliminated)
