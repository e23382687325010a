"""Reboot a server: reboot(soft) or reboot(hard); */rebooting[_hard] -> active.

Input: state {"type": "SOFT" | "HARD"}.
"""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

REBOOT = one_command(
    "reboot",
    event="compute_reboot_instance",
    verb="reboot",
    params=lambda context: {"kind": context.state.get("type", "SOFT").lower()},
    done=lambda _context, _reply: {"vm_state": VmState.ACTIVE, "fault": None},
    deadline_s=120.0,
)
