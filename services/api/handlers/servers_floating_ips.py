"""addFloatingIp and removeFloatingIp: a floating IP is pointed at an address of the server.

The request points it itself, in the caller's name; what the server shows is compared at once.
"""

from __future__ import annotations

from common.domain.network_info import vifs
from common.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from common.neighbours.network_records import FloatingIp
from services.api import versions
from services.api.actions import ACTION_PATH
from services.api.handlers.floating_ips import proxy
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import floating_ips as schemas
from services.api.servers.port_changes import ports_changed
from services.api.targets import SERVER
from services.api.versions import before

_RULE = "os_compute_api:os-floating-ips:"
_UNTIL = before(versions.ADDRESS_ACTIONS_GONE)
ADD, REMOVE = "addFloatingIp", "removeFloatingIp"


async def _by_address(request: Request, address: str) -> FloatingIp:
    """The project's own; raises `NotFound`."""
    for found in await proxy(request).floating_ips(floating_ip_address=address):
        return found
    raise NotFound("floating IP not found")


def _target(request: Request, wanted: str | None) -> tuple[str, str]:
    """Port and fixed address of the server that it is to lead to."""
    server = request.server.server
    shown = vifs(server.network_info)
    if not shown:
        raise InvalidInput("Instance network is not ready yet")
    fixed = [
        (vif["port_id"], ip["address"], ip["version"]) for vif in shown for ip in vif["fixed_ips"]
    ]
    if not fixed:
        raise InvalidInput("No fixed IPs associated to instance")
    for port_id, address, ip_version in fixed:
        if address == wanted or (wanted is None and ip_version == 4):
            return port_id, address
    if wanted is not None:
        raise InvalidInput("Specified fixed address not assigned to instance")
    raise InvalidInput(f"Instance {server.uuid} has no fixed IPv4 addresses to associate.")


async def add(request: Request) -> Reply:
    asked = request.body[ADD]
    port_id, fixed_ip = _target(request, asked.get("fixed_address"))
    floating = await _by_address(request, asked["address"])
    try:
        await proxy(request).point_floating_ip(floating.id, port_id, fixed_ip)
    except (Forbidden, Unavailable):
        raise
    except (Conflict, InvalidInput, NotFound) as error:
        raise InvalidInput(
            f"Unable to associate floating IP {asked['address']} to fixed IP {fixed_ip} for "
            f"instance {request.server.server.uuid}. Error: {error}"
        ) from error
    await ports_changed(request, [request.server.server.uuid])
    return Reply()


async def remove(request: Request) -> Reply:
    server, address = request.server.server, request.body[REMOVE]["address"]
    floating = await _by_address(request, address)
    own = {vif["port_id"] for vif in vifs(server.network_info)}
    if floating.port_id is None or floating.port_id not in own:
        raise Conflict(f"Floating IP {address} is not associated with instance {server.uuid}.")
    await proxy(request).point_floating_ip(floating.id, None, None)
    await ports_changed(request, [server.uuid])
    return Reply()


# fmt: off
OPERATIONS = [
    Operation("POST", ACTION_PATH, add, _RULE + "add", SERVER, until=_UNTIL, body=schemas.add,
              success=202, action=ADD),
    Operation("POST", ACTION_PATH, remove, _RULE + "remove", SERVER, until=_UNTIL,
              body=schemas.remove, success=202, action=REMOVE),
]
