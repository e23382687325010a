"""End the rescue of a server: rescued/unrescuing -> active, or error."""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

UNRESCUE = one_command(
    "unrescue",
    event="compute_unrescue_instance",
    verb="unrescue",
    done=lambda _context, _reply: {"vm_state": VmState.ACTIVE, "fault": None},
    on_failure=VmState.ERROR,
    deadline_s=120.0,
)
