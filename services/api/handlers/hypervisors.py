"""Hypervisors: the compute nodes, their sizes and what runs on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common.db.stores import hypervisors
from common.db.stores.hypervisors import Hypervisor
from common.errors import InvalidInput, NotFound, Unsupported
from services.api import identifiers, versions
from services.api.operation import Operation, Reply
from services.api.paging import limit_of, next_links, unknown_marker
from services.api.request import Request
from services.api.schemas import hypervisors as schemas
from services.api.schemas.query import any_parameters
from services.api.versions import before
from services.api.views import hypervisors as views
from services.api.views.fields import View
from services.api.views.hypervisors import DETAIL, SUMMARY, UPTIME


async def index(request: Request) -> Reply:
    return await _list(request, SUMMARY, "os-hypervisors")


async def detail(request: Request) -> Reply:
    return await _list(request, DETAIL, "os-hypervisors", "detail")


async def _list(request: Request, view: View, *path: str) -> Reply:
    pattern, marker = request.q("hypervisor_hostname_pattern"), request.q("marker")
    if pattern is not None and (marker is not None or request.q("limit") is not None):
        raise InvalidInput(
            "Paging over hypervisors with the hypervisor_hostname_pattern query parameter "
            "is not supported."
        )
    paged = request.v >= versions.HYPERVISORS_PAGED and pattern is None
    found = await hypervisors.find(
        request.app.pool,
        after_id=await _after(request, marker),
        pattern=pattern,
        limit=limit_of(request) if paged else None,
    )
    if pattern is not None and not found:
        raise _no_match(pattern)
    links = {}
    if paged:
        links = next_links(request, "hypervisors_links", found, _id_of(request), *path)
    return Reply({"hypervisors": await _render(request, view, found), **links})


def _id_of(request: Request) -> Any:
    if request.v >= versions.HYPERVISOR_UUIDS:
        return lambda node: str(node.uuid)
    return lambda node: str(node.id)


async def _after(request: Request, marker: str | None) -> int:
    if marker is None:
        return 0
    node_id = identifiers.parse(marker, request.v)
    try:
        if node_id is not None:
            return (await hypervisors.get(request.app.pool, node_id)).id
    except NotFound:
        pass
    raise unknown_marker(marker)


def _no_match(pattern: str) -> NotFound:
    return NotFound(f"No hypervisor matching '{pattern}' could be found.")


async def _render(
    request: Request, view: View, nodes: Sequence[Hypervisor], *, servers: bool | None = None
) -> list[dict[str, Any]]:
    """`servers`: whether to add them; None: when the caller asks."""
    render = view.renderer(request)
    shown = [render(node) for node in nodes]
    if servers is None:
        servers = request.q("with_servers")
    if servers:
        running = await hypervisors.servers_on(request.app.pool, [node.host for node in nodes])
        for node, item in zip(nodes, shown, strict=True):
            mine = [{"uuid": uuid, "name": name} for uuid, name in running.get(node.host, [])]
            if mine or request.v >= versions.HYPERVISOR_SERVERS_ALWAYS:
                item["servers"] = mine
    return shown


async def _load(request: Request) -> Hypervisor:
    node_id = identifiers.parse(request.params["id"], request.v)
    if node_id is None:
        raise NotFound(f"Hypervisor with ID '{request.params['id']}' could not be found.")
    return await hypervisors.get(request.app.pool, node_id)


async def show(request: Request) -> Reply:
    (shown,) = await _render(request, DETAIL, [await _load(request)])
    return Reply({"hypervisor": shown})


async def uptime(request: Request) -> Reply:
    node = await _load(request)
    if not node.up:
        raise InvalidInput(f"Compute host {node.host} could not be found.")
    if node.booted_at is None:
        raise Unsupported("Virt driver does not implement uptime function.")
    (shown,) = await _render(request, UPTIME, [node])
    return Reply({"hypervisor": shown})


async def search(request: Request) -> Reply:
    found = await _matching(request)
    return Reply({"hypervisors": await _render(request, SUMMARY, found)})


async def servers(request: Request) -> Reply:
    found = await _matching(request)
    return Reply({"hypervisors": await _render(request, SUMMARY, found, servers=True)})


async def _matching(request: Request) -> list[Hypervisor]:
    pattern = request.params["id"]
    found = await hypervisors.find(request.app.pool, pattern=pattern)
    if not found:
        raise _no_match(pattern)
    return found


async def statistics(request: Request) -> Reply:
    sums = await hypervisors.statistics(request.app.pool)
    return Reply({"hypervisor_statistics": views.statistics(sums)})


_ALL = "/os-hypervisors"
_ONE = "/os-hypervisors/{id}"
_RULE = "os_compute_api:os-hypervisors"
_PATHS_UNTIL = before(versions.HYPERVISOR_UUIDS)
_SIZES_UNTIL = before(versions.HYPERVISOR_SIZES_GONE)

# fmt: off
OPERATIONS = [
    Operation("GET", _ALL, index, policy=f"{_RULE}:list", query=schemas.list_query),
    Operation("GET", f"{_ALL}/detail", detail, policy=f"{_RULE}:list-detail",
              query=schemas.list_query),
    Operation("GET", f"{_ALL}/statistics", statistics, policy=f"{_RULE}:statistics",
              until=_SIZES_UNTIL, query=any_parameters),
    Operation("GET", _ONE, show, policy=f"{_RULE}:show", query=schemas.show_query),
    Operation("GET", f"{_ONE}/search", search, policy=f"{_RULE}:search",
              until=_PATHS_UNTIL, query=any_parameters),
    Operation("GET", f"{_ONE}/servers", servers, policy=f"{_RULE}:servers",
              until=_PATHS_UNTIL, query=any_parameters),
    Operation("GET", f"{_ONE}/uptime", uptime, policy=f"{_RULE}:uptime",
              until=_SIZES_UNTIL, query=any_parameters),
]
