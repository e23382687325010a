"""Rescue a server: boot a rescue image with its disk beside it; */rescuing -> rescued, or error.

Input: state {"image_id": image or null for the server's own}.
"""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

RESCUE = one_command(
    "rescue",
    event="compute_rescue_instance",
    verb="rescue",
    params=lambda context: {"image_id": context.state.get("image_id")},
    done=lambda _context, _reply: {"vm_state": VmState.RESCUED, "fault": None},
    on_failure=VmState.ERROR,
    deadline_s=120.0,
)
