"""The hosts' side of the conversation: heartbeats, reports, goodbyes.

Owns: collecting heartbeats and writing them in one statement every beat; registering agents;
answering reports with verdicts; completing evacuations of hosts that came back.
May not: decide what is up (that is the database's clock) or destroy anything on a guess.
Crash story: heartbeats not yet written are lost; the next ones come within report_interval, and
observed time stands still while no conductor beats (see schema.sql), so nobody goes down for it.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg
import structlog

from common.bus.port import BusClosed, Delivery
from common.bus.topology import HEARTBEATS
from common.db.stores import services as store
from common.db.stores.services import OBSERVER_SLACK_S, Heartbeats
from common.messages.compute import (
    GuestEvent,
    Heartbeat,
    HostGoodbye,
    HostReport,
    HostVerdicts,
    Probe,
    Verdict,
)
from services.conductor import power
from services.conductor.engine.context import Deps
from services.conductor.verdicts import verdict

log = structlog.get_logger(__name__)


class Hosts:
    """Everything conductors do about hosts rather than servers."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._down_time_s = deps.settings.servicegroup.service_down_time_s
        self._heard: dict[str, tuple[float, Heartbeat]] = {}

    async def on_heartbeat(self, delivery: Delivery) -> None:
        """Remember it until the next beat; the newest of a host counts."""
        message = delivery.message
        if isinstance(message, Probe):
            return
        assert isinstance(message, Heartbeat), message
        self._heard[message.host] = (self._deps.clock.monotonic(), message)

    async def beat(self) -> None:
        """Write what was heard and move observed time on.

        Only when the broker takes a message just now. While it is out of reach, or stands still
        with open connections, nobody could have been heard: the time counts against nobody.
        """
        try:
            await self._deps.bus.publish(HEARTBEATS, Probe(), timeout_s=OBSERVER_SLACK_S)
        except BusClosed:
            return
        heard, self._heard = self._heard, {}
        now = self._deps.clock.monotonic()
        batch = Heartbeats()
        for host in sorted(heard):  # one order of row locks for all conductors
            at, message = heard[host]
            batch.hosts.append(host)
            batch.epochs.append(message.epoch)
            batch.ages_s.append(now - at)
            batch.uptimes.append(message.uptime)
            batch.running_guests.append(message.running_guests)
        try:
            given_back_s = await store.beat(self._deps.pool, batch, self._down_time_s)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            for host, heartbeat in heard.items():
                self._heard.setdefault(host, heartbeat)
            raise
        if given_back_s:
            log.warning("leases_extended", outage_s=round(given_back_s, 1))

    async def on_report(self, report: HostReport) -> HostVerdicts:
        """Register (hello) or refresh (inventory) the host and judge its guests."""
        pool = self._deps.pool
        resources = report.resources.model_dump(mode="json")
        if report.kind == "hello":
            refused = await store.host_register(
                pool,
                host=report.host,
                host_id=report.host_id,
                epoch=report.epoch,
                resources=resources,
                down_time_s=self._down_time_s,
            )
            if refused:
                log.warning("agent_refused", host=report.host, reason=refused)
                return HostVerdicts(accepted=False, reason=refused)
            log.info("agent_registered", host=report.host, guests=len(report.guests))
        elif not await store.host_refresh(
            pool, host=report.host, epoch=report.epoch, resources=resources
        ):
            reason = f"another agent has registered as {report.host!r} since"
            return HostVerdicts(accepted=False, reason=reason)
        return HostVerdicts(accepted=True, verdicts=await self._judge(report))

    async def _judge(self, report: HostReport) -> dict[str, Verdict]:
        pool = self._deps.pool
        truth = await store.guests_truth(pool, report.host, [UUID(g.uuid) for g in report.guests])
        verdicts = {
            guest.uuid: verdict(guest, truth.get(UUID(guest.uuid)), report.host)
            for guest in report.guests
        }
        for guest in report.guests:
            if verdicts[guest.uuid] in ("destroy", "unknown"):
                log.warning(
                    "guest_judged",
                    host=report.host,
                    server=guest.uuid,
                    generation=guest.generation,
                    verdict=verdicts[guest.uuid],
                )
        if any(guest.pending for guest in report.guests):
            return verdicts  # a question about single guests, not an inventory
        newer = [
            (UUID(g.uuid), g.generation)
            for g in report.guests
            if verdicts[g.uuid] == "keep" and g.generation > truth[UUID(g.uuid)].generation
        ]
        await store.generations_adopt(pool, report.host, newer)
        there = [UUID(guest.uuid) for guest in report.guests]
        for server_uuid in await store.evacuations_complete(pool, report.host, there):
            log.info("evacuation_completed", host=report.host, server=str(server_uuid))
        states = [(UUID(g.uuid), g.generation, g.power_state) for g in report.guests]
        await power.record(self._deps, report.host, states)
        return verdicts

    async def on_goodbye(self, message: HostGoodbye) -> None:
        """The host is down from now on, at its own word."""
        self._heard.pop(message.host, None)
        await store.host_goodbye(self._deps.pool, message.host, message.epoch)
        log.info("agent_said_goodbye", host=message.host)

    async def on_guest_event(self, message: GuestEvent) -> None:
        """A guest has changed its power state by itself."""
        guest = (UUID(message.server_uuid), message.generation, message.power_state)
        await power.record(self._deps, message.host, [guest])
