"""What hosts report and ask, and what they are told.

Owns: registering agents; judging guests; completing evacuations of hosts that came back; whether a
report leaves nothing to do, so that the host need not repeat it.
May not: decide what is up (that is the database's clock) or destroy anything on a guess.
Crash story: a host that got no answer asks again. A report whose hash was not remembered is asked
for again after the host's next heartbeat (heartbeats.py).
"""

from __future__ import annotations

from uuid import UUID

import structlog

from common.db.stores import services as store
from common.db.stores.services import GuestTruth, HostTruth
from common.messages.compute import (
    GuestEvent,
    GuestReport,
    HostGoodbye,
    HostReport,
    HostVerdicts,
    Verdict,
)
from services.conductor import power
from services.conductor.engine.context import Deps
from services.conductor.verdicts import verdict

log = structlog.get_logger(__name__)


class Hosts:
    """Conversations with hosts. One statement for a question, two for an inventory that changes
    nothing, three for a hello."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._down_time_s = deps.settings.servicegroup.service_down_time_s

    async def on_report(self, report: HostReport) -> HostVerdicts:
        """Register the host (hello) and judge its guests; what they say about the host itself is
        written unless it is a question about some of them."""
        if report.kind == "hello" and not await store.host_register(
            self._deps.pool,
            host=report.host,
            host_id=report.host_id,
            epoch=report.epoch,
            down_time_s=self._down_time_s,
        ):
            return _refuse(
                report,
                f"another machine reports as {report.host!r} and is alive; give this host another "
                "name (MUSTER_COMPUTE__HOST_NAME) or stop the other agent",
            )
        uuids = [UUID(guest.uuid) for guest in report.guests]
        truth = await store.guests_truth(self._deps.pool, report.host, report.epoch, uuids)
        if truth is None:
            return _superseded(report)
        verdicts = _judge(report, truth)
        is_question = report.kind == "question" or any(guest.pending for guest in report.guests)
        if not is_question and not await self._settle(report, truth, verdicts):
            return _superseded(report)
        if report.kind == "hello":
            log.info("agent_registered", host=report.host, guests=len(report.guests))
        return HostVerdicts(accepted=True, verdicts=verdicts)

    async def _settle(
        self, report: HostReport, truth: HostTruth, verdicts: dict[str, Verdict]
    ) -> bool:
        """Write what a full report says; False when another life reports for the host by now."""
        guests, settled, states = [], True, []
        for guest in report.guests:
            uuid = UUID(guest.uuid)
            known = truth.guests.get(uuid)
            keep = known is not None and verdicts[guest.uuid] == "keep"
            waits = verdicts[guest.uuid] == "hold" and _is_left(guest, known)
            newer = known is not None and keep and guest.generation > known.generation
            guests.append((uuid, guest.generation, newer))
            settled = settled and (keep or waits) and not newer
            settled = settled and known is not None and known.workflow_id is None
            if known is not None and power.differs(known, report.host, guest):
                states.append((uuid, guest.generation, guest.power_state))
        if not await power.record(self._deps, report.host, report.epoch, states):
            settled = False
        result = await store.report_settle(
            self._deps.pool,
            host=report.host,
            epoch=report.epoch,
            resources=report.resources.model_dump(mode="json"),
            guests=guests,
            inventory=report.inventory if settled else None,
            as_of=truth.as_of,
        )
        for server in result.evacuated:
            log.info("evacuation_completed", host=report.host, server=str(server))
        for server in result.gone:
            log.info("left_over_guest_gone", host=report.host, server=str(server))
        return result.registered

    async def on_goodbye(self, message: HostGoodbye) -> None:
        """The host is down from now on, at its own word."""
        await store.host_goodbye(
            self._deps.pool, message.host, message.epoch, guests_stopped=message.guests_stopped
        )
        log.info("agent_said_goodbye", host=message.host, guests_stopped=message.guests_stopped)

    async def on_guest_event(self, message: GuestEvent) -> None:
        """A guest has changed its power state by itself."""
        guest = (UUID(message.server_uuid), message.generation, message.power_state)
        await power.record(self._deps, message.host, message.epoch, [guest])


def _is_left(guest: GuestReport, known: GuestTruth | None) -> bool:
    """Whether a move has left it, and may come back to it: then it need not execute."""
    return known is not None and guest.generation in known.kept_generations


def _refuse(report: HostReport, reason: str) -> HostVerdicts:
    log.warning("agent_refused", host=report.host, reason=reason)
    return HostVerdicts(accepted=False, reason=reason)


def _superseded(report: HostReport) -> HostVerdicts:
    return _refuse(report, f"another agent has registered as {report.host!r} since")


def _judge(report: HostReport, truth: HostTruth) -> dict[str, Verdict]:
    verdicts: dict[str, Verdict] = {}
    for guest in report.guests:
        said = verdict(guest, truth.guests.get(UUID(guest.uuid)), report.host)
        verdicts[guest.uuid] = said
        if said in ("destroy", "unknown"):
            log.warning(
                "guest_judged",
                host=report.host,
                server=guest.uuid,
                generation=guest.generation,
                verdict=said,
            )
    return verdicts
