"""Consoles that are looked at from afar: one resource, and below 2.6 an action per protocol."""

from __future__ import annotations

from common.domain.actions import SERIAL_CONSOLE, SPICE_CONSOLE, VNC_CONSOLE, Action
from services.api import versions
from services.api.actions import action_operation
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import servers_remote_consoles as schemas
from services.api.servers.consoles import console_url
from services.api.targets import SERVER
from services.api.versions import before
from services.api.views import servers_remote_consoles as views


async def create(request: Request) -> Reply:
    wanted = request.body["remote_console"]
    protocol, type_name = wanted["protocol"], wanted["type"]
    url = await console_url(request, protocol, type_name)
    return Reply(views.remote_console(protocol, type_name, url))


def _action(action: Action, protocol: str, *types: str) -> Operation:
    async def handler(request: Request) -> Reply:
        type_name = request.body[action.key]["type"]
        return Reply(views.of_action(type_name, await console_url(request, protocol, type_name)))

    return action_operation(
        action,
        handler,
        schemas.action(action.key, *types),
        success=200,
        until=before(versions.CONSOLE_ACTIONS_GONE),
    )


OPERATIONS = [
    _action(VNC_CONSOLE, "vnc", "novnc", "xvpvnc"),
    _action(SPICE_CONSOLE, "spice", "spice-html5"),
    _action(SERIAL_CONSOLE, "serial", "serial"),
    Operation(
        "POST",
        "/servers/{server_id}/remote-consoles",
        create,
        "os_compute_api:os-remote-consoles",
        SERVER,
        since=versions.REMOTE_CONSOLES,
        body=schemas.create,
    ),
]
