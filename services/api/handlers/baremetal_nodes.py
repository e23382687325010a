"""Bare metal nodes, as old clients read them. Muster has none: its hosts are hypervisors."""

from __future__ import annotations

from common.errors import NotFound
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas.query import any_parameters
from services.api.versions import before


async def index(_request: Request) -> Reply:
    return Reply({"nodes": []})


async def show(request: Request) -> Reply:
    raise NotFound(f"Node {request.params['id']} could not be found.")


_PATH = "/os-baremetal-nodes"
_RULE = "os_compute_api:os-baremetal-nodes"
_UNTIL = before(versions.PROXIES_GONE)

# fmt: off
OPERATIONS = [
    Operation("GET", _PATH, index, f"{_RULE}:list", until=_UNTIL, query=any_parameters),
    Operation("GET", f"{_PATH}/{{id}}", show, f"{_RULE}:show", until=_UNTIL, query=any_parameters),
]
