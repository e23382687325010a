"""Snapshots of volumes that only the host of the running guest can make: the volume service asks.

It answers at once; how it went the volume service hears from the workflow.
"""

from __future__ import annotations

from typing import Any

import orjson

from common.db.stores import block_devices, servers
from common.domain.actions import DELETE_VOLUME_SNAPSHOT, SNAPSHOT_VOLUME, Action
from common.errors import Conflict, InvalidInput
from services.api.actions import start_action
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import assisted_volume_snapshots as schemas


async def create(request: Request) -> Reply:
    wanted = request.body["snapshot"]
    info, volume_id = wanted["create_info"], wanted["volume_id"]
    params = {"new_file": info["new_file"]}
    await _start(request, SNAPSHOT_VOLUME, volume_id, info["snapshot_id"], params)
    return Reply({"snapshot": {"id": info.get("id"), "volumeId": volume_id}})


async def delete(request: Request) -> Reply:
    info = _delete_info(request.q("delete_info"))
    volume_id, snapshot_id = str(info["volume_id"]), request.params["id"]
    names = ("file_to_merge", "merge_target_file")
    params = {name: str(info[name]) for name in names if info.get(name) is not None}
    await _start(request, DELETE_VOLUME_SNAPSHOT, volume_id, snapshot_id, params)
    return Reply()


def _delete_info(text: str | None) -> dict[str, Any]:
    """The JSON object in the query that says of which volume, and which files to merge."""
    try:
        info = orjson.loads(text or "")
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"delete_info is not valid JSON: {error}") from error
    if not isinstance(info, dict) or "volume_id" not in info:
        raise InvalidInput("delete_info must be an object with a volume_id")
    return info


async def _start(
    request: Request, action: Action, volume_id: str, snapshot_id: str, params: dict[str, Any]
) -> None:
    """Begin it on the one server that has the volume."""
    found = await block_devices.servers_of_volume(request.app.pool, volume_id)
    placed = await servers.server_get(request.app.pool, found[0]) if len(found) == 1 else None
    if placed is None:
        problem = "attached to several servers" if len(found) > 1 else "not attached to a server"
        raise InvalidInput(f"Volume {volume_id} is {problem}.")
    request.found = placed
    state = {"volume_id": volume_id, "snapshot_id": snapshot_id, "params": params}
    try:
        await start_action(request, action, state)
    except Conflict as error:
        # Clients of this operation know of no 409.
        raise InvalidInput(str(error)) from error


_RULE = "os_compute_api:os-assisted-volume-snapshots"

OPERATIONS = [
    Operation(
        "POST",
        "/os-assisted-volume-snapshots",
        create,
        f"{_RULE}:create",
        body=schemas.create,
    ),
    Operation(
        "DELETE",
        "/os-assisted-volume-snapshots/{id}",
        delete,
        f"{_RULE}:delete",
        query=schemas.delete_query,
        success=204,
    ),
]
