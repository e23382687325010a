"""Rescue a server: boot a rescue image with its disk beside it; */rescuing -> rescued, or error.

Input: state {"image_id": image or null for the server's own, "sealed_secrets": the password of the
rescue system}.
"""

from __future__ import annotations

from typing import Any

from common.domain.states import VmState
from services.conductor.engine.context import Context
from services.conductor.workflows import provisioning
from services.conductor.workflows.one_command import one_command


async def _system(context: Context, host: str) -> dict[str, Any]:
    image = {"image_id": context.state.get("image_id")}
    sealed = await provisioning.sealed_secrets(context, host)
    return image if sealed is None else {**image, "sealed_secrets": sealed}


RESCUE = one_command(
    "rescue",
    event="compute_rescue_instance",
    verb="rescue",
    params=_system,
    done=lambda _context, _reply: {"vm_state": VmState.RESCUED, "fault": None},
    on_failure=VmState.ERROR,
    deadline_s=120.0,
)
