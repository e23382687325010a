"""PUT /servers/{id}: what a user may change at any time.

Owns: from the body to columns, and the rules of re-pinning a zone. May not: change states.
Crash story: one statement.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import servers as store
from common.db.stores.servers import PlacedServer
from common.errors import Conflict
from services.api.request import Request
from services.api.servers import access_ip, images
from services.api.targets import server_not_found

_COLUMNS = {
    "name": "name",
    "description": "description",
    "hostname": "hostname",
    "pinned_availability_zone": "pinned_availability_zone",
}
"""Body keys to columns that take the value as it is."""


async def update(request: Request) -> PlacedServer:
    """The server as it is afterwards; raises `Conflict` for a zone it is not in."""
    asked: dict[str, Any] = request.body["server"]
    server = request.server.server
    columns = {_COLUMNS[key]: value for key, value in asked.items() if key in _COLUMNS}
    columns |= access_ip.columns(asked)
    if "OS-DCF:diskConfig" in asked:
        columns["auto_disk_config"] = images.auto_disk_config(
            asked["OS-DCF:diskConfig"], server.image_properties, server.image_ref
        )
    if "pinned_availability_zone" in columns:
        _check_zone(request, request.server, columns["pinned_availability_zone"])
    if not await store.server_update(request.app.pool, server.uuid, columns):
        raise server_not_found(server.uuid)
    now = await store.server_get(request.app.pool, server.uuid)
    if now is None:
        raise server_not_found(server.uuid)
    return now


def _check_zone(request: Request, placed: PlacedServer, zone: str | None) -> None:
    """A server may be unpinned, stay as it is, or be pinned where it is; it is not moved."""
    server = placed.server
    if zone is None or zone == server.pinned_availability_zone:
        return
    default = request.app.settings.api.default_availability_zone
    present = placed.zone(default) if server.host else None
    if zone != present:
        raise Conflict(
            f"Instance {server.uuid} cannot be pinned to availability zone {zone}: "
            f"it is in {present or 'none'}."
        )
