"""Passwords of servers: set the administrator's; read and clear the one the guest has reported."""

from __future__ import annotations

from common.auth.sealing import seal
from common.domain.actions import CHANGE_PASSWORD
from services.api.actions import action_operation, start_action
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import servers_password as schemas
from services.api.targets import SERVER


async def change(request: Request) -> Reply:
    key = request.app.settings.identity.password.get_secret_value()
    sealed = seal(request.body["changePassword"]["adminPass"], key)
    await start_action(request, CHANGE_PASSWORD, {"sealed_password": sealed})
    return Reply()


async def show(_request: Request) -> Reply:
    """Guests report an encrypted password over the metadata service, which Muster has not."""
    return Reply({"password": ""})


async def clear(_request: Request) -> Reply:
    return Reply()


_PATH = "/servers/{server_id}/os-server-password"
OPERATIONS = [
    action_operation(CHANGE_PASSWORD, change, schemas.change),
    Operation("GET", _PATH, show, "os_compute_api:os-server-password:show", SERVER),
    Operation(
        "DELETE",
        _PATH,
        clear,
        "os_compute_api:os-server-password:clear",
        SERVER,
        success=204,
    ),
]
