"""Operations that once were: their answer says so, so that an old client need not guess.

Owns: the table of them. May not: know what they did. A path that is not in any table is a 404 page.
"""

from __future__ import annotations

from services.api import versions
from services.api.http.faults import HttpError
from services.api.operation import Handler, Operation, Reply
from services.api.request import Request
from services.api.schemas.query import any_parameters
from services.api.versions import MAX, before

_GONE = """
GET POST        /os-agents
PUT DELETE      /os-agents/{id}
GET POST        /os-cells
GET             /os-cells/capacities
GET             /os-cells/detail
GET             /os-cells/info
POST            /os-cells/sync_instances
GET PUT DELETE  /os-cells/{id}
GET             /os-cells/{id}/capacities
POST            /os-certificates
GET             /os-certificates/{id}
GET POST        /os-cloudpipe
PUT             /os-cloudpipe/{id}
GET             /os-fixed-ips/{id}
POST            /os-fixed-ips/{id}/action#reserve
POST            /os-fixed-ips/{id}/action#unreserve
GET             /os-floating-ip-dns
PUT DELETE      /os-floating-ip-dns/{id}
GET PUT DELETE  /os-floating-ip-dns/{domain_id}/entries/{id}
GET POST        /os-floating-ips-bulk
GET PUT         /os-floating-ips-bulk/{id}
GET             /os-fping
GET             /os-fping/{id}
POST            /os-networks
POST            /os-networks/add
DELETE          /os-networks/{id}
POST            /os-networks/{id}/action#associate_host
POST            /os-networks/{id}/action#disassociate
POST            /os-networks/{id}/action#disassociate_host
POST            /os-networks/{id}/action#disassociate_project
GET POST        /os-security-group-default-rules
GET DELETE      /os-security-group-default-rules/{id}
POST            /os-tenant-networks
DELETE          /os-tenant-networks/{id}
POST            /servers/{server_id}/action#resetNetwork
GET POST        /servers/{server_id}/consoles
GET DELETE      /servers/{server_id}/consoles/{id}
GET             /servers/{server_id}/os-virtual-interfaces
"""
"""410 at every microversion."""

_NOT_HERE = """
POST            /os-baremetal-nodes
DELETE          /os-baremetal-nodes/{id}
POST            /os-baremetal-nodes/{id}/action#add_interface
POST            /os-baremetal-nodes/{id}/action#remove_interface
"""
"""400 as long as nodes can be read here: they are changed at the bare metal service."""

_NO_SUCH_CONSOLE = """
POST            /servers/{server_id}/action#os-getRDPConsole
"""
"""400 as long as consoles are made by actions: no driver has RDP any more."""


def _answering(status: int, message: str) -> Handler:
    async def handler(_request: Request) -> Reply:
        raise HttpError(status, message)

    return handler


def _rows(table: str, status: int, message: str, until: int = MAX) -> list[Operation]:
    handler, rows = _answering(status, message), []
    for line in table.strip().splitlines():
        *methods, where = line.split()
        path, _, action = where.partition("#")
        rows += [
            Operation(
                method,
                path,
                handler,
                policy=None,
                until=until,
                query=any_parameters,
                action=action or None,
                removed=status,
            )
            for method in methods
        ]
    return rows


OPERATIONS = [
    *_rows(_GONE, 410, "This operation has been removed from the Compute API."),
    *_rows(
        _NOT_HERE,
        400,
        "Nodes are changed at the bare metal service.",
        until=before(versions.PROXIES_GONE),
    ),
    *_rows(
        _NO_SUCH_CONSOLE,
        400,
        "Unavailable console type rdp-html5.",
        until=before(versions.CONSOLE_ACTIONS_GONE),
    ),
]
