"""Metadata of a server: texts by name."""

from __future__ import annotations

from common.db.stores import quotas
from common.db.stores import servers as store
from common.db.stores.servers import PlacedServer
from common.domain.actions import DELETE_METADATA, UPDATE_METADATA
from common.errors import Conflict, InvalidInput, NotFound, OverQuota
from services.api.actions import check
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import servers_metadata as schemas
from services.api.targets import SERVER

_RULE = "os_compute_api:server-metadata:"


async def index(request: Request) -> Reply:
    placed = request.server
    return Reply({"metadata": placed.server.metadata})


async def show(request: Request) -> Reply:
    placed = request.server
    key = request.params["id"]
    return Reply({"meta": {key: _value(placed, key)}})


async def create(request: Request) -> Reply:
    placed = request.server
    written = await _write(request, placed, request.body["metadata"], replace=False)
    return Reply({"metadata": written})


async def update_all(request: Request) -> Reply:
    placed = request.server
    written = await _write(request, placed, request.body["metadata"], replace=True)
    return Reply({"metadata": written})


async def update(request: Request) -> Reply:
    meta, key = request.body["meta"], request.params["id"]
    placed = request.server
    if key not in meta:
        raise InvalidInput("Request body and URI mismatch")
    await _write(request, placed, meta, replace=False)
    return Reply({"meta": meta})


async def delete(request: Request) -> Reply:
    placed = request.server
    key = request.params["id"]
    _value(placed, key)
    check(request, DELETE_METADATA)
    uuid, states = placed.server.uuid, DELETE_METADATA.vm_states
    if not await store.metadata_delete(request.app.pool, uuid, key, vm_states=states):
        raise Conflict(f"Instance {uuid} has changed meanwhile; try again.")
    return Reply()


def _value(placed: PlacedServer, key: str) -> str:
    if key not in placed.server.metadata:
        raise NotFound("Metadata item was not found")
    return placed.server.metadata[key]


async def _write(
    request: Request, placed: PlacedServer, metadata: dict[str, str], *, replace: bool
) -> dict[str, str]:
    """The metadata afterwards; raises `OverQuota` for too many items, `Conflict` by state."""
    check(request, UPDATE_METADATA)
    app, server = request.app, placed.server
    limits = await quotas.limits(app.pool, server.project_id, app.settings.quota)
    most = limits.effective["metadata_items"]
    kept = {} if replace else server.metadata
    if 0 <= most < len({**kept, **metadata}):
        raise OverQuota(f"Maximum number of metadata items exceeds {most}")
    written = await store.metadata_write(
        app.pool,
        server.uuid,
        metadata,
        replace=replace,
        vm_states=UPDATE_METADATA.vm_states,
        most=most,
    )
    if written is None:
        raise Conflict(f"Instance {server.uuid} has changed meanwhile; try again.")
    return written


_PATH = "/servers/{server_id}/metadata"
_ITEM = _PATH + "/{id}"
OPERATIONS = [
    Operation("GET", _PATH, index, _RULE + "index", SERVER),
    Operation("POST", _PATH, create, _RULE + "create", SERVER, body=schemas.metadata),
    Operation("PUT", _PATH, update_all, _RULE + "update_all", SERVER, body=schemas.metadata),
    Operation("GET", _ITEM, show, _RULE + "show", SERVER),
    Operation("PUT", _ITEM, update, _RULE + "update", SERVER, body=schemas.item),
    Operation("DELETE", _ITEM, delete, _RULE + "delete", SERVER, success=204),
]
