"""Restore a softly deleted server: soft-delete/restoring -> active, or error."""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

RESTORE = one_command(
    "restore",
    event="compute_restore_instance",
    verb="power_on",
    done=lambda _context, _reply: {"vm_state": VmState.ACTIVE, "fault": None},
    on_failure=VmState.ERROR,
)
