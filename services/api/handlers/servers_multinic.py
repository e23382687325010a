"""addFixedIp and removeFixedIp: another address for a port that the server has, or one less.

The request changes the port itself; what the server shows is compared at once.
"""

from __future__ import annotations

from typing import Any

from common.domain.actions import ADD_FIXED_IP, REMOVE_FIXED_IP
from common.errors import Conflict, InvalidInput, NotFound
from common.neighbours.network_records import FixedIp, Port
from services.api import versions
from services.api.actions import action_operation, check
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_multinic as schemas
from services.api.servers.port_changes import ports_changed

_UNTIL = versions.before(versions.ADDRESS_ACTIONS_GONE)


async def _ports(request: Request) -> list[Port]:
    return await request.app.network.ports_of(request.server.server)


def _body(fixed_ip: FixedIp) -> dict[str, Any]:
    return {"ip_address": fixed_ip.ip_address, "subnet_id": fixed_ip.subnet_id}


async def add(request: Request) -> Reply:
    """On the first subnet of the network that has an address left."""
    check(request, ADD_FIXED_IP)
    network_id = str(request.body[ADD_FIXED_IP.key]["networkId"])
    port = next((p for p in await _ports(request) if p.network_id == network_id), None)
    if port is None:
        raise NotFound(f"Network {network_id} is not one of the instance's.")
    kept = [_body(each) for each in port.fixed_ips]
    for subnet in await request.app.network.subnets(network_id=network_id):
        try:
            await request.app.network.update_port(
                port.id, fixed_ips=[*kept, {"subnet_id": subnet.id}]
            )
        except (Conflict, InvalidInput):
            continue
        await ports_changed(request, [request.server.server.uuid])
        return Reply()
    raise InvalidInput(f"No fixed IP addresses available for network: {network_id}")


async def remove(request: Request) -> Reply:
    check(request, REMOVE_FIXED_IP)
    server, address = request.server.server, request.body[REMOVE_FIXED_IP.key]["address"]
    for port in await _ports(request):
        kept = [each for each in port.fixed_ips if each.ip_address != address]
        if len(kept) < len(port.fixed_ips):
            await request.app.network.update_port(port.id, fixed_ips=[_body(e) for e in kept])
            await ports_changed(request, [server.uuid])
            return Reply()
    raise InvalidInput(f"Fixed IP address {address} is not one of instance {server.uuid}.")


OPERATIONS = [
    action_operation(ADD_FIXED_IP, add, schemas.add, until=_UNTIL),
    action_operation(REMOVE_FIXED_IP, remove, schemas.remove, until=_UNTIL),
]
