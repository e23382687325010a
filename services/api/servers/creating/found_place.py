"""The host, the zone and the server group that a create request names, as the database knows them.

Owns: finding them. May not: decide, beyond a host that cannot be found or is not in its zone.
Crash story: reads only.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from common.db.stores import server_groups
from common.db.stores import servers as store
from common.db.stores.server_groups import ServerGroup
from common.errors import InvalidInput, NotFound
from services.api.request import Request
from services.api.servers.creating.asked_place import AskedPlace
from services.api.servers.zones import is_in_zone, zone_is_known


@dataclass(frozen=True)
class FoundPlace:
    host: str | None
    """The one asked for."""
    zone_known: bool
    """There are hosts that take servers in the zone asked for; True where none is."""
    group: ServerGroup | None
    """That of the hint; None also when there is none of that id."""


async def place(request: Request, asked: AskedPlace, group: UUID | None) -> FoundPlace:
    return FoundPlace(
        *await asyncio.gather(
            _host(request, asked), zone_is_known(request, asked.zone), _group(request, group)
        )
    )


async def _host(request: Request, place: AskedPlace) -> str | None:
    """A forced host may be one that nobody knows yet; a node must be known."""
    if not place.names_host:
        return None
    host = place.host
    if place.node or not place.forced:
        found = await store.compute_node_find(request.app.pool, host=place.host, node=place.node)
        if found is None:
            raise InvalidInput(f"Compute host {place.host or place.node} could not be found.")
        host = found[0]
    if place.forced and place.zone and host and not await is_in_zone(request, host, place.zone):
        raise InvalidInput(f"Host {host} is not in availability zone {place.zone}.")
    return host


async def _group(request: Request, uuid: UUID | None) -> ServerGroup | None:
    if uuid is None:
        return None
    with suppress(NotFound):
        return await server_groups.get(request.app.pool, uuid)
    return None
