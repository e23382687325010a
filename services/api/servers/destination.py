"""Where a new server may go: the zone, and for administrators the host.

Owns: reading availability_zone, host and hypervisor_hostname. May not: choose; schedulers do.
Crash story: reads only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.db.stores import servers as store
from common.errors import InvalidInput
from services.api.request import Request

_FORCED_HOST = "os_compute_api:servers:create:forced_host"
_REQUESTED = "compute:servers:create:requested_destination"


@dataclass(frozen=True)
class Destination:
    """None: left to the scheduler."""

    zone: str | None = None
    force_host: str | None = None
    """Filters are skipped for it; capacity still counts."""
    requested_host: str | None = None
    """Only this one, if the filters let it pass."""


async def destination(request: Request, server: dict[str, Any]) -> Destination:
    """Raises `InvalidInput` for an unknown zone or host, `Forbidden` for users."""
    zone, forced_host, forced_node = _parse(server.get("availability_zone"))
    host, node = server.get("host"), server.get("hypervisor_hostname")
    if zone and zone != request.app.settings.api.default_availability_zone:
        raise InvalidInput("The requested availability zone is not available")
    if forced_host or forced_node:
        request.require(_FORCED_HOST)
        if host or node:
            raise InvalidInput(
                "host and hypervisor_hostname cannot be used together with an availability_zone "
                "of the form zone:host or zone:host:node."
            )
        if forced_node:
            forced_host = await _host_of(request, forced_host, forced_node)
        return Destination(zone, force_host=forced_host)
    if host or node:
        request.require(_REQUESTED)
        return Destination(zone, requested_host=await _host_of(request, host, node))
    return Destination(zone)


async def _host_of(request: Request, host: str | None, node: str | None) -> str:
    found = await store.compute_node_find(request.app.pool, host=host, node=node)
    if found is None:
        raise InvalidInput(f"Compute host {host or node} could not be found.")
    return found[0]


def _parse(text: str | None) -> tuple[str | None, str | None, str | None]:
    """zone, host and node of "zone[:host[:node]]" or "zone::node"."""
    if not text or ":" not in text:
        return text, None, None
    zone, *rest = text.split(":")
    if len(rest) > 2 or not rest[-1]:
        raise InvalidInput(
            f"Unable to parse availability_zone '{text}': it must be zone, zone:host, "
            "zone:host:node or zone::node."
        )
    return zone or None, rest[0] or None, rest[1] if len(rest) == 2 else None
