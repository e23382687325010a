"""Addresses of a server, by network."""

from __future__ import annotations

from common.errors import NotFound
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.targets import SERVER
from services.api.views.servers import addresses

_RULE = "os_compute_api:ips:"


async def index(request: Request) -> Reply:
    placed = request.server
    return Reply({"addresses": addresses(placed, full=False)})


async def show(request: Request) -> Reply:
    placed = request.server
    label = request.params["id"]
    of_network = addresses(placed, full=False)
    if label not in of_network:
        raise NotFound("Instance is not a member of specified network")
    return Reply({label: of_network[label]})


OPERATIONS = [
    Operation("GET", "/servers/{server_id}/ips", index, _RULE + "index", SERVER),
    Operation("GET", "/servers/{server_id}/ips/{id}", show, _RULE + "show", SERVER),
]
