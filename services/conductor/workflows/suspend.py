"""Suspend a server to disk: active/suspending -> suspended."""

from __future__ import annotations

from common.domain.states import VmState
from services.conductor.workflows.one_command import one_command

SUSPEND = one_command(
    "suspend",
    event="compute_suspend_instance",
    verb="suspend",
    done=lambda _context, _reply: {"vm_state": VmState.SUSPENDED, "fault": None},
)
