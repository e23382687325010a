"""Tags of a server: words to find it by (2.26+)."""

from __future__ import annotations

import re

from common.db.stores import servers as store
from common.db.stores.servers import PlacedServer
from common.domain.actions import UPDATE_TAGS
from common.errors import Conflict, InvalidInput, NotFound
from services.api import versions
from services.api.actions import check
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import servers_metadata as schemas
from services.api.schemas.query import any_parameters
from services.api.schemas.servers import TAG, TAGS
from services.api.targets import SERVER

_RULE = "os_compute_api:os-server-tags:"
MOST = TAGS["maxItems"]


async def index(request: Request) -> Reply:
    placed = request.server
    return Reply({"tags": placed.server.tags})


async def show(request: Request) -> Reply:
    placed = request.server
    if request.params["id"] not in placed.server.tags:
        raise _missing(placed, request.params["id"])
    return Reply()


async def update_all(request: Request) -> Reply:
    placed = request.server
    tags = list(dict.fromkeys(request.body["tags"]))
    await _replace(request, placed, tags)
    return Reply({"tags": tags})


async def delete_all(request: Request) -> Reply:
    placed = request.server
    await _replace(request, placed, [])
    return Reply()


async def update(request: Request) -> Reply:
    placed = request.server
    tag, server = request.params["id"], placed.server
    check(request, UPDATE_TAGS)
    if not re.search(TAG["pattern"], tag) or not 0 < len(tag) <= TAG["maxLength"]:
        raise InvalidInput(
            f"Tag '{tag}' is invalid. It must be a non empty string without characters '/' and "
            f"',' and have at most {TAG['maxLength']} characters."
        )
    states = UPDATE_TAGS.vm_states
    if tag not in server.tags and len(server.tags) >= MOST:
        raise InvalidInput(f"The number of tags exceeded the per-server limit {MOST}")
    if await store.tag_add(request.app.pool, server.uuid, tag, vm_states=states, most=MOST):
        location = request.links.self("servers", str(server.uuid), "tags", tag)
        return Reply(status=201, headers={"Location": location})
    now = await store.server_get(request.app.pool, server.uuid)
    if now is None or tag not in now.server.tags:
        raise _changed(placed)
    return Reply(status=204)


async def delete(request: Request) -> Reply:
    placed = request.server
    tag, server = request.params["id"], placed.server
    check(request, UPDATE_TAGS)
    if tag not in server.tags:
        raise _missing(placed, tag)
    states = UPDATE_TAGS.vm_states
    if not await store.tag_remove(request.app.pool, server.uuid, tag, vm_states=states):
        raise _changed(placed)
    return Reply()


async def _replace(request: Request, placed: PlacedServer, tags: list[str]) -> None:
    check(request, UPDATE_TAGS)
    uuid, states = placed.server.uuid, UPDATE_TAGS.vm_states
    if not await store.tags_replace(request.app.pool, uuid, tags, vm_states=states):
        raise _changed(placed)


def _missing(placed: PlacedServer, tag: str) -> NotFound:
    return NotFound(f"Server {placed.server.uuid} doesn't have a tag '{tag}'")


def _changed(placed: PlacedServer) -> Conflict:
    return Conflict(f"Instance {placed.server.uuid} has changed meanwhile; try again.")


_PATH = "/servers/{server_id}/tags"
_ITEM = _PATH + "/{id}"
OPERATIONS = [
    Operation(
        "GET",
        _PATH,
        index,
        _RULE + "index",
        SERVER,
        since=versions.SERVER_TAGS,
        query=any_parameters,
    ),
    Operation(
        "PUT",
        _PATH,
        update_all,
        _RULE + "update_all",
        SERVER,
        since=versions.SERVER_TAGS,
        body=schemas.tags,
    ),
    Operation(
        "DELETE",
        _PATH,
        delete_all,
        _RULE + "delete_all",
        SERVER,
        since=versions.SERVER_TAGS,
        success=204,
    ),
    Operation(
        "GET",
        _ITEM,
        show,
        _RULE + "show",
        SERVER,
        since=versions.SERVER_TAGS,
        query=any_parameters,
        success=204,
    ),
    Operation(
        "PUT",
        _ITEM,
        update,
        _RULE + "update",
        SERVER,
        since=versions.SERVER_TAGS,
        body=schemas.nothing,
        success=201,
    ),
    Operation(
        "DELETE", _ITEM, delete, _RULE + "delete", SERVER, since=versions.SERVER_TAGS, success=204
    ),
]
