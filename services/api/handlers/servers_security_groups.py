"""Security groups of a server: those of its ports.

The request changes the ports itself, one by one; a request that is cut short is made whole by
repeating it. The names that the server shows are read back from the ports afterwards.
"""

from __future__ import annotations

import asyncio

from common.db.stores import servers as store
from common.db.stores.servers import PlacedServer
from common.domain.network_info import vifs
from common.errors import Conflict, InvalidInput, NotFound
from common.neighbours.network_records import Port, SecurityGroup
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas.servers_security_groups import named
from services.api.targets import SERVER
from services.api.views.security_groups import render

_RULE = "os_compute_api:os-security-groups:"
ADD, REMOVE = "addSecurityGroup", "removeSecurityGroup"


async def index(request: Request) -> Reply:
    placed = request.server
    groups = await _of_ports(request, await _ports(request, placed))
    wanted = {rule.remote_group_id for group in groups for rule in group.rules}
    remote = {group.id: group for group in groups}
    if missing := sorted(wanted - set(remote) - {None}, key=str):
        found = await request.app.network.security_groups(ids=[str(each) for each in missing])
        remote |= {group.id: group for group in found}
    return Reply({"security_groups": [render(group, remote) for group in groups]})


async def add(request: Request) -> Reply:
    placed = request.server
    group, ports = await _asked(request, placed, request.body[ADD]["name"])
    lacking = [port for port in ports if group.id not in port.security_group_ids]
    await _change(request, {port: [*port.security_group_ids, group.id] for port in lacking})
    await _keep_names(request, placed)
    return Reply()


async def remove(request: Request) -> Reply:
    placed = request.server
    group, ports = await _asked(request, placed, request.body[REMOVE]["name"])
    having = [port for port in ports if group.id in port.security_group_ids]
    if not having:
        raise InvalidInput(
            f"Security group {group.name} is not associated with the instance {placed.server.uuid}"
        )
    await _change(
        request,
        {port: [each for each in port.security_group_ids if each != group.id] for port in having},
    )
    await _keep_names(request, placed)
    return Reply()


async def _ports(request: Request, placed: PlacedServer) -> list[Port]:
    return await request.app.network.ports_of(placed.server)


async def _of_ports(request: Request, ports: list[Port]) -> list[SecurityGroup]:
    ids = dict.fromkeys(group_id for port in ports for group_id in port.security_group_ids)
    if not ids:
        return []
    found = await request.app.network.security_groups(ids=ids)
    return sorted(found, key=lambda group: (group.name, group.id))


async def _asked(
    request: Request, placed: PlacedServer, name: str
) -> tuple[SecurityGroup, list[Port]]:
    """The project's group of that id or name, and the server's ports; raises `NotFound` when
    there is none of either."""
    project_id = placed.server.project_id
    groups, ports = await asyncio.gather(
        request.app.network.security_groups(project_id=project_id, token=request.ctx.token),
        _ports(request, placed),
    )
    found = [g for g in groups if g.id == name] or [g for g in groups if g.name == name]
    if not found:
        raise NotFound(f"Security group {name} not found for project {project_id}.")
    if len(found) > 1:
        raise Conflict(
            f"Multiple security groups found matching '{name}'. Use an ID to be more specific."
        )
    if not ports:
        raise NotFound(f"Instance {placed.server.uuid} has no ports.")
    return found[0], ports


async def _change(request: Request, groups: dict[Port, list[str]]) -> None:
    for port, ids in groups.items():
        await request.app.network.update_port(port.id, security_groups=ids)


async def _keep_names(request: Request, placed: PlacedServer) -> None:
    """Each once for every port that has it, as conductors write them."""
    ports = await _ports(request, placed)
    names = {group.id: group.name for group in await _of_ports(request, ports)}
    order = [vif["port_id"] for vif in vifs(placed.server.network_info)]
    ports.sort(key=lambda port: order.index(port.id) if port.id in order else len(order))
    shown = [names[each] for port in ports for each in port.security_group_ids if each in names]
    await store.set_security_groups(request.app.pool, placed.server.uuid, shown)


_ACTION = "/servers/{server_id}/action"

# fmt: off
OPERATIONS = [
    Operation("GET", "/servers/{server_id}/os-security-groups", index, _RULE + "list", SERVER),
    Operation("POST", _ACTION, add, _RULE + "add", SERVER, body=named(ADD), success=202,
              action=ADD),
    Operation("POST", _ACTION, remove, _RULE + "remove", SERVER, body=named(REMOVE), success=202,
              action=REMOVE),
]
