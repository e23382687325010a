"""Network interfaces of a server: os-interface."""

from __future__ import annotations

from common.domain.actions import ATTACH_INTERFACE, DETACH_INTERFACE
from common.domain.network_info import vifs
from common.errors import NotFound
from common.neighbours.network_records import Port
from services.api.actions import check, start_action
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import servers_interfaces as schemas
from services.api.servers import attaching
from services.api.targets import SERVER
from services.api.views.servers_interfaces import INTERFACE, Interface

_RULE = "os_compute_api:os-attach-interfaces:"


def _interface(request: Request, port: Port) -> Interface:
    """With the tag that the server keeps of it."""
    shown = vifs(request.server.server.network_info)
    tag = next((vif["tag"] for vif in shown if vif["port_id"] == port.id), None)
    return Interface(port, tag)


async def index(request: Request) -> Reply:
    ports = await request.app.network.ports_of(request.server.server)
    render = INTERFACE.renderer(request)
    return Reply({"interfaceAttachments": [render(_interface(request, port)) for port in ports]})


async def show(request: Request) -> Reply:
    server, port_id = request.server.server, request.params["port_id"]
    port = await request.app.network.port(port_id)
    if (port.device_id, port.project_id) != (str(server.uuid), server.project_id):
        raise NotFound(f"Instance {server.uuid} does not have a port with id {port_id}")
    return Reply({"interfaceAttachment": INTERFACE.renderer(request)(_interface(request, port))})


async def create(request: Request) -> Reply:
    """Answered with the interface, so it waits for the end of it; nothing else does."""
    request.require(_RULE + "show")
    check(request, ATTACH_INTERFACE)
    asked = attaching.asked(request)
    port_id = await attaching.attach(request, await attaching.found(request, asked))
    interface = Interface(await request.app.network.port(port_id), asked.tag)
    return Reply({"interfaceAttachment": INTERFACE.renderer(request)(interface)})


async def delete(request: Request) -> Reply:
    check(request, DETACH_INTERFACE)
    server, port_id = request.server.server, request.params["port_id"]
    if all(vif["port_id"] != port_id for vif in vifs(server.network_info)):
        raise NotFound(f"Port {port_id} is not attached")
    await start_action(request, DETACH_INTERFACE, {"port_id": port_id})
    return Reply()


_ALL = "/servers/{server_id}/os-interface"
_ONE = _ALL + "/{port_id}"

# fmt: off
OPERATIONS = [
    Operation("GET", _ALL, index, _RULE + "list", SERVER),
    Operation("POST", _ALL, create, _RULE + "create", SERVER, body=schemas.attach),
    Operation("GET", _ONE, show, _RULE + "show", SERVER),
    Operation("DELETE", _ONE, delete, _RULE + "delete", SERVER, success=202),
]
