"""Availability zones: where servers can be asked to run."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from common.db.stores import os_services
from common.db.stores.os_services import ServiceRecord
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.views.os_services import zone_of
from services.api.views.times import zoneless


async def _by_zone(request: Request) -> dict[str, list[ServiceRecord]]:
    zones = defaultdict(list)
    for service in await os_services.find(request.app.pool):
        zones[zone_of(service, request)].append(service)
    return dict(sorted(zones.items()))


def _zone(name: str, services: list[ServiceRecord], hosts: Any) -> dict[str, Any]:
    """A zone is available while some host in it is enabled."""
    available = any(not service.disabled for service in services)
    return {"zoneName": name, "zoneState": {"available": available}, "hosts": hosts}


async def index(request: Request) -> Reply:
    internal = request.app.settings.api.internal_availability_zone
    zones = [
        _zone(name, services, None)
        for name, services in (await _by_zone(request)).items()
        if name != internal
    ]
    return Reply({"availabilityZoneInfo": zones})


async def detail(request: Request) -> Reply:
    zones = []
    for name, services in (await _by_zone(request)).items():
        hosts: dict[str, dict[str, Any]] = defaultdict(dict)
        for service in services:
            hosts[service.host][service.binary_name] = {
                "active": not service.disabled,
                "available": service.up,
                "updated_at": zoneless(service.last_seen_up),
            }
        zones.append(_zone(name, services, hosts))
    return Reply({"availabilityZoneInfo": zones})


_ALL = "/os-availability-zone"
_RULE = "os_compute_api:os-availability-zone"

# fmt: off
OPERATIONS = [
    Operation("GET", _ALL, index, policy=f"{_RULE}:list"),
    Operation("GET", f"{_ALL}/detail", detail, policy=f"{_RULE}:detail"),
]
