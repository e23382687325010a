"""Networks, as old clients look for them here: passed on to the network service.

What the caller sees is decided there.
"""

from __future__ import annotations

from common.errors import NotFound
from common.neighbours.network_proxy import NetworkProxy
from common.neighbours.network_records import Network
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas.query import any_parameters
from services.api.versions import before
from services.api.views.networks import render, render_tenant

_UNTIL = before(versions.PROXIES_GONE)
_RULE = "os_compute_api:os-networks:"
_TENANT_RULE = "os_compute_api:os-tenant-networks:"


async def _all(request: Request) -> list[Network]:
    return await NetworkProxy(request.app.session, request.ctx.token).networks()


async def _one(request: Request) -> Network:
    proxy = NetworkProxy(request.app.session, request.ctx.token)
    try:
        return await proxy.network(request.params["id"])
    except NotFound as error:
        raise NotFound("Network not found") from error


async def index(request: Request) -> Reply:
    return Reply({"networks": [render(network) for network in await _all(request)]})


async def show(request: Request) -> Reply:
    return Reply({"network": render(await _one(request))})


async def tenant_index(request: Request) -> Reply:
    return Reply({"networks": [render_tenant(network) for network in await _all(request)]})


async def tenant_show(request: Request) -> Reply:
    return Reply({"network": render_tenant(await _one(request))})


# fmt: off
OPERATIONS = [
    Operation("GET", "/os-networks", index, _RULE + "list", until=_UNTIL, query=any_parameters),
    Operation("GET", "/os-networks/{id}", show, _RULE + "show", until=_UNTIL, query=any_parameters),
    Operation("GET", "/os-tenant-networks", tenant_index, _TENANT_RULE + "list", until=_UNTIL,
              query=any_parameters),
    Operation("GET", "/os-tenant-networks/{id}", tenant_show, _TENANT_RULE + "show", until=_UNTIL,
              query=any_parameters),
]
