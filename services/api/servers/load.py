"""From the id in a URL to the server, for a caller who may know that it exists.

Owns: the order of the first two checks: 404 before 403, and 404 for other projects' servers.
May not: change anything. Crash story: reads only.
"""

from __future__ import annotations

from uuid import UUID

from common.db.stores import servers as store
from common.db.stores.servers import PlacedServer
from common.errors import NotFound
from services.api.request import Request


def not_found(server_id: object) -> NotFound:
    return NotFound(f"Instance {server_id} could not be found.")


def parse_id(text: str) -> UUID | None:
    """A UUID in one of its usual forms; None: no server can have that id."""
    if len(text) not in {32, 36}:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


async def load(request: Request, rule: str, *, include_deleted: bool = False) -> PlacedServer:
    """The server named by the path's {server_id}; raises `NotFound`, or `Forbidden` by `rule`."""
    text = request.params["server_id"]
    uuid = parse_id(text)
    placed = uuid and await store.server_get(
        request.app.pool, uuid, include_deleted=include_deleted
    )
    if not placed:
        raise not_found(text)
    server = placed.server
    if server.project_id != request.ctx.project_id and not request.ctx.is_admin:
        raise not_found(text)
    request.require(rule, server.project_id, server.user_id)
    return placed
