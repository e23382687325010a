"""Servers: create, list, show, change, delete."""

from __future__ import annotations

from typing import Any

from common.domain.actions import DELETE
from services.api.actions import start_delete
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import servers as schemas
from services.api.schemas import servers_query
from services.api.servers import creating, listing, updating
from services.api.targets import SERVER
from services.api.views import servers as views

_SHOW = "os_compute_api:servers:show"
_UPDATE = "os_compute_api:servers:update"


async def create(request: Request) -> Reply:
    created = await creating.create(request)
    if created.reservation_only:
        return Reply({"reservation_id": created.reservation_id})
    path = ("servers", str(created.uuid))
    server: dict[str, Any] = {
        "id": created.uuid,
        "links": request.links.pair(*path),
        "OS-DCF:diskConfig": "AUTO" if created.auto_disk_config else "MANUAL",
        "security_groups": [{"name": name} for name in created.security_groups],
        "adminPass": created.admin_password,
    }
    return Reply({"server": server}, headers={"Location": request.links.self(*path)})


async def index(request: Request) -> Reply:
    page = await listing.page(request, "os_compute_api:servers:index:get_all_tenants")
    shown = [views.summary(uuid, name, request) for uuid, name in page.summaries]
    return Reply({"servers": shown, **page.links(request, "servers")})


async def detail(request: Request) -> Reply:
    page = await listing.detailed_page(request, "os_compute_api:servers:detail:get_all_tenants")
    render = views.DETAIL.renderer(request)
    shown = [render(placed) for placed in page.servers]
    return Reply({"servers": shown, **page.links(request, "servers", "detail")})


async def show(request: Request) -> Reply:
    placed = request.server
    render = views.SHOW.renderer(request)
    return Reply({"server": render(placed)})


async def update(request: Request) -> Reply:
    placed = await updating.update(request)
    render = views.UPDATED.renderer(request)
    return Reply({"server": render(placed)})


async def delete(request: Request) -> Reply:
    await start_delete(request, DELETE)
    return Reply()


OPERATIONS = [
    Operation(
        "GET", "/servers", index, "os_compute_api:servers:index", query=servers_query.listing
    ),
    Operation(
        "POST",
        "/servers",
        create,
        "os_compute_api:servers:create",
        body=schemas.create,
        success=202,
    ),
    Operation(
        "GET",
        "/servers/detail",
        detail,
        "os_compute_api:servers:detail",
        query=servers_query.listing,
    ),
    Operation("GET", "/servers/{server_id}", show, _SHOW, SERVER),
    Operation("PUT", "/servers/{server_id}", update, _UPDATE, SERVER, body=schemas.update),
    Operation("DELETE", "/servers/{server_id}", delete, DELETE.policy, SERVER, success=204),
]
