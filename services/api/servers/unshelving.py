"""Unshelve: where a server that has no place may be brought back to.

Owns: what zone and host mean (2.77, 2.91): a zone pins the server to it, null unpins it, a host
must be in the zone the server is pinned to. May not: choose a host; schedulers do.
Crash story: action, zone and workflow are one statement.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import servers as store
from common.domain.actions import UNSHELVE
from common.domain.states import VmState
from common.errors import Conflict, InvalidInput
from services.api import versions
from services.api.actions import check, start_action
from services.api.request import Request
from services.api.servers.zones import is_in_zone, require_zone

_TO_HOST = "os_compute_api:os-shelve:unshelve_to_host"


async def unshelve(request: Request) -> None:
    """Begin; raises `Conflict` for a place the server cannot have, `InvalidInput` for one that
    does not exist."""
    argument = request.body["unshelve"] if request.v >= versions.UNSHELVE_ZONE else None
    asked: dict[str, Any] = argument or {}
    server = request.server.server
    if "host" in asked:
        request.require(_TO_HOST)
    check(request, UNSHELVE)
    if asked and server.vm_state != VmState.SHELVED_OFFLOADED:
        raise Conflict(
            "An availability zone or a host can be given only for a server in status "
            f"SHELVED_OFFLOADED; server {server.uuid} is in status {server.status}."
        )
    columns: dict[str, Any] = {}
    if "availability_zone" in asked:
        zone = asked["availability_zone"]
        columns = {"availability_zone": zone, "pinned_availability_zone": zone}
    else:
        zone = server.pinned_availability_zone
    if columns:
        await require_zone(request, zone)
    host = asked.get("host")
    if host is not None:
        if await store.compute_node_find(request.app.pool, host=host, node=None) is None:
            raise InvalidInput(f"Compute host {host} could not be found.")
        if not await is_in_zone(request, host, zone):
            raise Conflict(f"Host {host} is not in availability zone {zone}.")
    state = {"availability_zone": zone, "host": host}
    await start_action(request, UNSHELVE, state, columns=columns)
