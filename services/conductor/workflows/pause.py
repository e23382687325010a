"""Pause a running server: active/pausing -> paused."""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

PAUSE = one_command(
    "pause",
    event="compute_pause_instance",
    verb="pause",
    done=lambda _context, _reply: {"vm_state": VmState.PAUSED, "fault": None},
)
