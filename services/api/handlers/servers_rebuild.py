"""Rebuild a server from an image, in its place."""

from __future__ import annotations

from common.domain.actions import REBUILD
from services.api.actions import action_operation
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_rebuild as schemas
from services.api.servers import rebuilding
from services.api.views import servers as views


async def rebuild(request: Request) -> Reply:
    placed, password = await rebuilding.rebuild(request)
    render = views.REBUILT.renderer(request)
    location = request.links.self("servers", str(placed.server.uuid))
    return Reply(
        {"server": {**render(placed), "adminPass": password}}, headers={"Location": location}
    )


OPERATIONS = [action_operation(REBUILD, rebuild, schemas.rebuild)]
