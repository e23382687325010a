"""Floating IPs, as old clients look for them here: passed on to the network service.

A pool is an external network, by its name.
"""

from __future__ import annotations

from common.errors import Conflict, Forbidden, InvalidInput, NotFound, OverQuota
from common.neighbours.network_proxy import NetworkProxy
from common.neighbours.network_records import FloatingIp, Network
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import floating_ips as schemas
from services.api.schemas.query import any_parameters
from services.api.versions import before
from services.api.views.floating_ips import render

_UNTIL = before(versions.PROXIES_GONE)
_RULE = "os_compute_api:os-floating-ips:"
_POOLS_RULE = "os_compute_api:os-floating-ip-pools"


def proxy(request: Request) -> NetworkProxy:
    return NetworkProxy(request.app.session, request.ctx.token)


async def _pools(request: Request) -> list[Network]:
    return await proxy(request).external_networks()


async def pools(request: Request) -> Reply:
    found = await _pools(request)
    return Reply({"floating_ip_pools": [{"name": network.name} for network in found]})


async def _one(request: Request) -> FloatingIp:
    try:
        return await proxy(request).floating_ip(request.params["id"])
    except NotFound as error:
        text = f"Floating IP not found for ID {request.params['id']}"
        raise NotFound(text) from error


async def index(request: Request) -> Reply:
    names = {network.id: network.name for network in await _pools(request)}
    found = await proxy(request).floating_ips(project_id=request.ctx.project_id)
    return Reply({"floating_ips": [render(each, names) for each in found]})


async def show(request: Request) -> Reply:
    found = await _one(request)
    names = {network.id: network.name for network in await _pools(request)}
    return Reply({"floating_ip": render(found, names)})


async def create(request: Request) -> Reply:
    """From the pool that is named, by name or id, or else from the first one."""
    wanted = (request.body or {}).get("pool")
    found = await _pools(request)
    names = {network.id: network.name for network in found}
    ids = [n.id for n in found if wanted in (None, n.id)] or [
        n.id for n in found if n.name == wanted
    ]
    if not ids:
        raise NotFound("Floating IP pool not found.")
    try:
        made = await proxy(request).create_floating_ip(ids[0])
    except OverQuota as error:
        where = f" in pool {wanted}" if wanted else ""
        raise Forbidden(f"IP allocation over quota{where}.") from error
    except Conflict as error:
        raise NotFound(f"No more floating IPs in pool {names[ids[0]]}.") from error
    return Reply({"floating_ip": render(made, names)})


async def delete(request: Request) -> Reply:
    found = await _one(request)
    try:
        await proxy(request).delete_floating_ip(found.id)
    except Conflict as error:
        raise InvalidInput(str(error)) from error
    return Reply()


_ALL, _EACH = "/os-floating-ips", "/os-floating-ips/{id}"

# fmt: off
OPERATIONS = [
    Operation("GET", "/os-floating-ip-pools", pools, _POOLS_RULE, until=_UNTIL,
              query=any_parameters),
    Operation("GET", _ALL, index, _RULE + "list", until=_UNTIL, query=any_parameters),
    Operation("POST", _ALL, create, _RULE + "create", until=_UNTIL, body=schemas.create),
    Operation("GET", _EACH, show, _RULE + "show", until=_UNTIL, query=any_parameters),
    Operation("DELETE", _EACH, delete, _RULE + "delete", until=_UNTIL, success=202),
]
