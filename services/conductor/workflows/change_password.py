"""Set the administrator's password in the guest: active/updating_password -> active.

Input: state {"sealed_password"}: sealed by common/auth/sealing, readable by conductors only and
gone with the workflow's row. A guest that refuses leaves the server in error.

To the host it goes sealed with a key that the present life of its agent has told: no queue, no dead
letter and no log ever holds it. A host that has been restarted in between cannot open it, which is
unavailable; the step is repeated and asks for the new key.
"""

from __future__ import annotations

from typing import Any

from common.domain.states import VmState
from services.conductor.engine.context import Context
from services.conductor.workflows.one_command import one_command
from services.conductor.workflows.provisioning import seal_again


async def _password(context: Context, host: str) -> dict[str, Any]:
    return {"sealed_password": await seal_again(context, host, context.state["sealed_password"])}


CHANGE_PASSWORD = one_command(
    "change_password",
    event="compute_set_admin_password",
    verb="set_admin_password",
    params=_password,
    done=lambda _context, _reply: {},
    on_failure=VmState.ERROR,
)
