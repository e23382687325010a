"""Where a new server is asked to go: the zone, and for administrators the host.

Owns: reading availability_zone, host and hypervisor_hostname. May not: do I/O, or choose;
schedulers do. Crash story: none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.errors import InvalidInput
from services.api.request import Request

_FORCED_HOST = "os_compute_api:servers:create:forced_host"
_REQUESTED = "compute:servers:create:requested_destination"


@dataclass(frozen=True)
class AskedPlace:
    """None: left to the scheduler."""

    zone: str | None = None
    host: str | None = None
    node: str | None = None
    forced: bool = False
    """Filters are skipped for the host; capacity still counts. Else it must pass them."""

    @property
    def names_host(self) -> bool:
        return bool(self.host or self.node)


def place(request: Request, server: dict[str, Any]) -> AskedPlace:
    """Raises `InvalidInput` for a text of the wrong form, `Forbidden` for users who name hosts."""
    zone, forced_host, forced_node = parse_zone(server.get("availability_zone"))
    host, node = server.get("host"), server.get("hypervisor_hostname")
    if forced_host or forced_node:
        request.require(_FORCED_HOST)
        if host or node:
            raise InvalidInput(
                "host and hypervisor_hostname cannot be used together with an availability_zone "
                "of the form zone:host or zone:host:node."
            )
        return AskedPlace(zone, forced_host, forced_node, forced=True)
    if host or node:
        request.require(_REQUESTED)
    return AskedPlace(zone, host, node)


def parse_zone(text: str | None) -> tuple[str | None, str | None, str | None]:
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
