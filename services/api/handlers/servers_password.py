"""Passwords of servers: set the administrator's; read and clear the one the guest has reported."""

from __future__ import annotations

from common.auth.sealing import seal
from common.db.stores import guest_passwords
from common.domain.actions import CHANGE_PASSWORD
from services.api.actions import action_operation, start_action
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import servers_password as schemas
from services.api.targets import SERVER


async def change(request: Request) -> Reply:
    key = request.app.settings.sealing_key
    sealed = seal(request.body["changePassword"]["adminPass"], key)
    await start_action(request, CHANGE_PASSWORD, {"sealed_password": sealed})
    return Reply()


async def show(request: Request) -> Reply:
    """Guests report it over the metadata service, encrypted with their user's key."""
    server = request.server.server
    return Reply({"password": await guest_passwords.get(request.app.pool, server.uuid)})


async def clear(request: Request) -> Reply:
    """Here only, not in the guest, which may report another one then."""
    await guest_passwords.clear(request.app.pool, request.server.server.uuid)
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
