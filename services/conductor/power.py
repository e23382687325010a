"""Servers whose guest is not in the state the server is in, as Nova's power-state sync treats them.

Owns: which pairs of states do not go together and what is done about each: the server is stopped,
or people are told.
May not: believe a report. It may be older than what a workflow has done since, so the stop looks
at the guest again, when nothing else can happen to it any more (workflows/stop.py).
Crash story: what is missed is found by the next report of the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import structlog
from prometheus_client import Counter

from common.db.stores import services as store
from common.domain.actions import STOP
from common.domain.states import PowerState, VmState
from services.conductor.engine.context import Deps
from services.conductor.tasks.beginning import MOST, begin

log = structlog.get_logger(__name__)

MISMATCHES = Counter(
    "muster_power_state_mismatches",
    "Guests found in a power state their server does not have",
    ["vm_state", "power_state"],
)

_OFF = (PowerState.SHUTDOWN, PowerState.CRASHED)

STOPPED: Mapping[tuple[VmState, PowerState], bool] = {
    **{(state, off): True for state in (VmState.ACTIVE, VmState.PAUSED) for off in _OFF},
    (VmState.STOPPED, PowerState.RUNNING): True,
    (VmState.STOPPED, PowerState.PAUSED): True,
    (VmState.STOPPED, PowerState.SUSPENDED): True,
    (VmState.ACTIVE, PowerState.PAUSED): False,
    (VmState.ACTIVE, PowerState.SUSPENDED): False,
    (VmState.PAUSED, PowerState.RUNNING): False,
    (VmState.SUSPENDED, PowerState.RUNNING): False,
}
"""Pairs that do not go together; True: the server is stopped, False: it is only reported. No guest
is started by itself: whoever shut it down meant it."""

SYNC = replace(STOP, vm_states=frozenset(state for (state, _), stop in STOPPED.items() if stop))
"""Recorded as the instance action `stop` of nobody, so that the owner sees why it is off."""


async def record(deps: Deps, host: str, guests: Sequence[tuple[UUID, int, int]]) -> None:
    """Write (uuid, generation, power_state) of idle servers and stop those that should be off."""
    wrong = await store.power_states_record(deps.pool, host, guests, list(STOPPED))
    for uuid, vm_state, power_state in wrong[:MOST]:
        state, power = VmState(vm_state), PowerState(power_state)
        MISMATCHES.labels(state, power.name.lower()).inc()
        stops = STOPPED[state, power]
        log.warning(
            "power_state_mismatch",
            server=str(uuid),
            host=host,
            vm_state=state,
            power_state=power.name.lower(),
            remedy="stop" if stops else "none",
        )
        if stops:
            await begin(deps, uuid, SYNC, {"unless_as_it_should_be": True})
