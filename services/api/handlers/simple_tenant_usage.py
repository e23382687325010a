"""Usage: for how many hours a project's servers ran in a period, and how large they were."""

from __future__ import annotations

import datetime as dt
from typing import Any

from common.db.stores import usage as store
from common.db.stores.usage import Period, ProjectUsage, ServerUsage
from common.errors import InvalidInput
from services.api import versions
from services.api.identifiers import parse_uuid
from services.api.operation import Operation, Reply
from services.api.paging import limit_of, next_links, unknown_marker
from services.api.request import Request
from services.api.schemas import simple_tenant_usage as schemas
from services.api.targets import PATH_PROJECT
from services.api.views import simple_tenant_usage as views

_PATH = "os-simple-tenant-usage"
_FORMS = (
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
)


async def index(request: Request) -> Reply:
    period, pool = _period(request), request.app.pool
    detailed = request.qs("detailed")[:1] == ["1"]
    if request.v < versions.USAGE_PAGED and not detailed:
        sums = await store.sums(pool, period)
        return Reply({"tenant_usages": [views.project(each, period) for each in sums]})
    found = await _servers(request, period, None)
    usages = _by_project(request, found, period, detailed=detailed)
    return Reply({"tenant_usages": usages, **_links(request, "tenant_usages_links", found)})


async def show(request: Request) -> Reply:
    project_id, period = request.params["project_id"], _period(request)
    found = await _servers(request, period, project_id)
    usages = _by_project(request, found, period, detailed=True)
    links = _links(request, "tenant_usage_links", found, project_id)
    return Reply({"tenant_usage": usages[0] if usages else {}, **links})


def _period(request: Request) -> Period:
    """Both ends default to this moment, so at least one must be named for anything to be found."""
    now = request.app.clock.utcnow()
    since = _moment(request, "start", now - dt.timedelta(microseconds=1))
    until = _moment(request, "end", now)
    if since >= until:
        raise InvalidInput("Invalid start time. The start time cannot occur after the end time.")
    return Period(since, until)


def _moment(request: Request, name: str, default: dt.datetime) -> dt.datetime:
    """The first value, as every version has read it."""
    text = next(iter(request.qs(name)), "")
    if not text:
        return default
    for form in _FORMS:
        try:
            return dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)
        except ValueError:
            continue
    raise InvalidInput("Datetime is in invalid format")


async def _servers(request: Request, period: Period, project_id: str | None) -> list[ServerUsage]:
    """A page of them, or all where there are no pages."""
    pool, after, most = request.app.pool, None, None
    if request.v >= versions.USAGE_PAGED:
        after, most = await _after(request, project_id), limit_of(request)
    return await store.servers(pool, period, project_id=project_id, after=after, most=most)


async def _after(request: Request, project_id: str | None) -> Any:
    marker = request.q("marker")
    if marker is None:
        return None
    uuid = parse_uuid(marker)
    place = uuid and await store.place_of(request.app.pool, uuid, project_id)
    if not place:
        raise unknown_marker(marker)
    return place


def _by_project(
    request: Request, found: list[ServerUsage], period: Period, *, detailed: bool
) -> list[dict[str, Any]]:
    now = request.app.clock.utcnow()
    sums: dict[str, ProjectUsage] = {}
    servers: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        project_id = each.project_id
        sums[project_id] = sums.get(project_id, ProjectUsage(project_id)).plus(each, period)
        if detailed:
            servers.setdefault(project_id, []).append(views.server(each, period, now))
    return [
        {
            **views.project(each, period),
            **({"server_usages": servers[project_id]} if detailed else {}),
        }
        for project_id, each in sums.items()
    ]


def _links(request: Request, key: str, found: list[ServerUsage], *path: str) -> dict[str, Any]:
    if request.v < versions.USAGE_PAGED:
        return {}
    return next_links(request, key, found, lambda each: str(each.uuid), _PATH, *path)


_RULE = "os_compute_api:os-simple-tenant-usage"

OPERATIONS = [
    Operation("GET", f"/{_PATH}", index, f"{_RULE}:list", query=schemas.listing),
    Operation(
        "GET", f"/{_PATH}/{{project_id}}", show, f"{_RULE}:show", PATH_PROJECT, query=schemas.one
    ),
]
