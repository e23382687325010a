"""Hosts as they were shown until 2.42: what runs there, what they have and who uses it.

Switching a host itself on and off was a driver's business that none here does: 501, as most real
drivers have always answered.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import hypervisors, os_services
from common.db.stores.hypervisors import Hypervisor
from common.db.stores.os_services import COMPUTE, ServiceChange, ServiceRecord
from common.errors import NotFound, Unsupported
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import hosts as schemas
from services.api.schemas.query import any_parameters
from services.api.versions import before
from services.api.views.os_services import zone_of


async def index(request: Request) -> Reply:
    zone = request.q("zone") or None
    shown = [
        {
            "host_name": service.host,
            "service": service.binary_name.removeprefix("nova-"),
            "zone": zone_of(service, request),
        }
        for service in await os_services.find(request.app.pool)
    ]
    return Reply({"hosts": [each for each in shown if zone in {None, each["zone"]}]})


async def _compute(request: Request) -> ServiceRecord:
    """The compute service of the host in the path; raises `NotFound`."""
    host = request.params["id"]
    found = await os_services.find(request.app.pool, host=host, binary_name=COMPUTE)
    if not found:
        raise NotFound(f"Compute host {host} could not be found.")
    return found[0]


async def show(request: Request) -> Reply:
    """In total, used with what the host keeps for itself, used by servers, and by each project."""
    service = await _compute(request)
    node = await hypervisors.get_by_host(request.app.pool, service.host)
    projects = await hypervisors.used_by_projects(request.app.pool, service.host)
    sums = [sum(column) for column in zip((0, 0, 0), *projects.values(), strict=True)]
    rows = [
        _row(node, "(total)", node.vcpus, node.memory_mib, node.disk_gib),
        _row(
            node,
            "(used_now)",
            node.vcpus_used,
            node.memory_mib_used + node.reserved_memory_mib,
            node.disk_gib_used + node.reserved_disk_gib,
        ),
        _row(node, "(used_max)", *sums),
        *(_row(node, project, *used) for project, used in projects.items()),
    ]
    return Reply({"host": rows})


def _row(node: Hypervisor, project: str, cpu: int, memory_mib: int, disk_gib: int) -> Any:
    sizes = {"cpu": cpu, "memory_mb": memory_mib, "disk_gb": disk_gib}
    return {"resource": {"host": node.host, "project": project, **sizes}}


async def update(request: Request) -> Reply:
    """A disabled host takes no servers; that is its service's flag."""
    service = await _compute(request)
    if "maintenance_mode" in request.body:
        raise Unsupported("Virt driver does not implement host maintenance mode.")
    disabled = request.body["status"].lower() == "disable"
    await os_services.change(request.app.pool, service, ServiceChange(disabled=disabled))
    return Reply({"host": service.host, "status": "disabled" if disabled else "enabled"})


async def power(request: Request) -> Reply:
    await _compute(request)
    raise Unsupported("Virt driver does not implement host power management.")


_ONE = "/os-hosts/{id}"
_RULE = "os_compute_api:os-hosts"
_UNTIL = before(versions.HOSTS_GONE)

# fmt: off
OPERATIONS = [
    Operation("GET", "/os-hosts", index, policy=f"{_RULE}:list", until=_UNTIL,
              query=schemas.list_query),
    Operation("GET", _ONE, show, policy=f"{_RULE}:show", until=_UNTIL, query=any_parameters),
    Operation("PUT", _ONE, update, policy=f"{_RULE}:update", until=_UNTIL, body=schemas.update),
    Operation("GET", f"{_ONE}/reboot", power, policy=f"{_RULE}:reboot", until=_UNTIL,
              query=any_parameters),
    Operation("GET", f"{_ONE}/shutdown", power, policy=f"{_RULE}:shutdown", until=_UNTIL,
              query=any_parameters),
    Operation("GET", f"{_ONE}/startup", power, policy=f"{_RULE}:start", until=_UNTIL,
              query=any_parameters),
]
