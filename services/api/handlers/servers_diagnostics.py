"""How a server is doing, as its host sees it."""

from __future__ import annotations

from common.domain.actions import DIAGNOSTICS
from services.api.actions import check
from services.api.host_calls import ask_host
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.targets import SERVER
from services.api.views import servers_diagnostics as views


async def show(request: Request) -> Reply:
    placed = request.server
    check(request, DIAGNOSTICS)
    guest = await ask_host(request, placed, "guest_info")
    return Reply(views.diagnostics(placed.server, guest["power_state"], request.v))


OPERATIONS = [
    Operation("GET", "/servers/{server_id}/diagnostics", show, DIAGNOSTICS.policy, SERVER)
]
