"""Resume a suspended server: suspended/resuming -> active, or error when it cannot."""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

RESUME = one_command(
    "resume",
    event="compute_resume_instance",
    verb="resume",
    done=lambda _context, _reply: {"vm_state": VmState.ACTIVE, "fault": None},
    on_failure=VmState.ERROR,
)
