"""Servers whose guest is not in the state the server is in, as Nova's power-state sync treats them.

Owns: which pairs of states do not go together and what is done about each: the server is stopped,
or people are told.
May not: believe a report. It may be older than what a workflow has done since: a server that has
changed a moment ago is judged by the next report, and the stop looks at the guest again, when
nothing else can happen to it any more (workflows/stop.py).
Crash story: what is missed is found by the next report of the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import structlog
from prometheus_client import Counter

from common.db.stores import services as store
from common.db.stores.services import GuestTruth
from common.domain.actions import STOP
from common.domain.power import STOPPED
from common.domain.states import PowerState, VmState
from common.messages.compute import GuestReport
from services.conductor.engine.context import Deps
from services.conductor.reconcilers.beginning import MOST, begin

log = structlog.get_logger(__name__)

MISMATCHES = Counter(
    "muster_power_state_mismatches",
    "Guests found in a power state their server does not have",
    ["vm_state", "power_state"],
)

SYNC = replace(STOP, vm_states=frozenset(state for (state, _), stop in STOPPED.items() if stop))
"""Recorded as the instance action `stop` of nobody, so that the owner sees why it is off."""


def differs(known: GuestTruth, host: str, guest: GuestReport) -> bool:
    """Whether the report says something about the idle server's guest that is not in order."""
    idle = known.task_state is None and not known.deleted
    present = known.host == host and known.generation == guest.generation
    return (
        idle
        and present
        and (
            known.power_state != guest.power_state or (known.vm_state, guest.power_state) in STOPPED
        )
    )


async def record(
    deps: Deps, host: str, epoch: str, guests: Sequence[tuple[UUID, int, int]]
) -> bool:
    """Write (uuid, generation, power_state) of idle servers and stop those that should be off.

    False when somebody must look again: a server has changed so lately that the report may be
    older, or is being stopped.
    """
    if not guests:
        return True
    found = await store.power_states_record(
        deps.pool,
        host,
        epoch,
        guests,
        wrong=list(STOPPED),
        late_s=deps.settings.bus.call_timeout_s,  # then its host has given it up
    )
    wrong = [mismatch for mismatch in found if mismatch.judged]
    in_order = len(wrong) == len(found)
    for mismatch in wrong[:MOST]:
        state, power = VmState(mismatch.vm_state), PowerState(mismatch.power_state)
        MISMATCHES.labels(state, power.name.lower()).inc()
        stops = STOPPED[state, power]
        log.warning(
            "power_state_mismatch",
            server=str(mismatch.uuid),
            host=host,
            vm_state=state,
            power_state=power.name.lower(),
            remedy="stop" if stops else "none",
        )
        if stops:
            in_order = False
            await begin(deps, mismatch.uuid, SYNC, {"unless_as_it_should_be": True})
    return in_order and len(wrong) <= MOST
