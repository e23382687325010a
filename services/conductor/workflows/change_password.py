"""Set the administrator's password in the guest: active/updating_password -> active.

Input: state {"sealed_password"}: sealed by common/auth/sealing, readable by conductors only and
gone with the workflow's row. A guest that refuses leaves the server in error.
"""

from __future__ import annotations

from typing import Any

from common.auth.sealing import unseal
from common.domain.states import VmState
from services.conductor.engine.context import Context
from services.conductor.workflows.one_command import one_command


def _password(context: Context) -> dict[str, Any]:
    key = context.deps.settings.identity.password.get_secret_value()
    return {"password": unseal(context.state["sealed_password"], key)}


CHANGE_PASSWORD = one_command(
    "change_password",
    event="compute_set_admin_password",
    verb="set_admin_password",
    params=_password,
    done=lambda _context, _reply: {},
    on_failure=VmState.ERROR,
)
