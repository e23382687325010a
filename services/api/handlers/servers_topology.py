"""The NUMA topology of a server (2.78+)."""

from __future__ import annotations

from common.domain import numa
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.targets import SERVER
from services.api.views import servers_topology as views


async def show(request: Request) -> Reply:
    server = request.server.server
    found = numa.topology(
        server.flavor.get("extra_specs") or {},
        server.image_properties,
        vcpus=server.vcpus,
        memory_mib=server.memory_mib,
    )
    return Reply(views.topology(found))


OPERATIONS = [
    Operation(
        "GET",
        "/servers/{server_id}/topology",
        show,
        "compute:server:topology:index",
        SERVER,
        since=versions.TOPOLOGY,
    )
]
