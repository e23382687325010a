"""Unpause a server: paused/unpausing -> active."""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

UNPAUSE = one_command(
    "unpause",
    event="compute_unpause_instance",
    verb="unpause",
    done=lambda _context, _reply: {"vm_state": VmState.ACTIVE, "fault": None},
)
