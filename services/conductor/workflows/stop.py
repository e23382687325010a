"""Stop a server: power_off; */powering-off -> stopped."""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

STOP = one_command(
    "stop",
    event="compute_stop_instance",
    verb="power_off",
    done=lambda _context, _reply: {"vm_state": VmState.STOPPED, "fault": None},
)
