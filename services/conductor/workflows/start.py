"""Start a stopped server: power_on; stopped/powering-on -> active."""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

START = one_command(
    "start",
    event="compute_start_instance",
    verb="power_on",
    done=lambda _context, _reply: {"vm_state": VmState.ACTIVE, "fault": None},
)
