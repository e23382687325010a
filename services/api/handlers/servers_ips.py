"""Addresses of a server, by network."""

from __future__ import annotations

from common.errors import NotFound
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.servers.load import load
from services.api.views.servers import addresses

_RULE = "os_compute_api:ips:"


async def index(request: Request) -> Reply:
    placed = await load(request, _RULE + "index")
    return Reply({"addresses": addresses(placed, full=False)})


async def show(request: Request) -> Reply:
    placed = await load(request, _RULE + "show")
    label = request.params["id"]
    of_network = addresses(placed, full=False)
    if label not in of_network:
        raise NotFound("Instance is not a member of specified network")
    return Reply({label: of_network[label]})


OPERATIONS = [
    Operation("GET", "/servers/{server_id}/ips", index, policy=None),
    Operation("GET", "/servers/{server_id}/ips/{id}", show, policy=None),
]
