"""Zones that requests name.

Owns: whether there is such a zone, and whether a host is in it. May not: choose; schedulers do.
Crash story: reads only. A zone may be left by its hosts the moment after; the claim looks again.
"""

from __future__ import annotations

from common.db.stores import aggregates
from common.errors import InvalidInput
from services.api.request import Request


async def zone_is_known(request: Request, zone: str | None) -> bool:
    """Whether servers may ask for it: none, the default one, or one with hosts that take them."""
    default = request.app.settings.api.default_availability_zone
    if zone is None or zone == default:
        return True
    return await aggregates.zone_has_hosts(request.app.pool, zone, default)


async def require_zone(request: Request, zone: str | None) -> None:
    if not await zone_is_known(request, zone):
        raise InvalidInput("The requested availability zone is not available")


async def is_in_zone(request: Request, host: str, zone: str | None) -> bool:
    """Also True for a host that nobody knows yet, and for any host where no zone is asked for."""
    default = request.app.settings.api.default_availability_zone
    actual = await aggregates.zone_of(request.app.pool, host, default)
    return zone is None or actual in {None, zone}
