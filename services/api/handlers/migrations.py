"""Migrations of all servers, newest first."""

from __future__ import annotations

import datetime as dt
from typing import Any

from common.db.stores import migrations as store
from common.db.stores.migrations import Criteria, Migration
from common.errors import Forbidden
from services.api import versions
from services.api.identifiers import parse_uuid
from services.api.operation import Operation, Reply
from services.api.paging import limit_of, next_links, unknown_marker
from services.api.periods import changed
from services.api.request import Request
from services.api.schemas import migrations as schemas
from services.api.views.migrations import LISTED

_RULE = "os_compute_api:os-migrations:index"
_ALL_PROJECTS, _HOST = f"{_RULE}:all_projects", f"{_RULE}:host"
_TRUE = frozenset({"true", "t", "1", "yes", "y", "on"})


async def index(request: Request) -> Reply:
    criteria = await _criteria(request)
    found = [] if criteria is None else await store.find(request.app.pool, criteria)
    render = LISTED.renderer(request)
    body: dict[str, Any] = {"migrations": [render(each) for each in found]}
    if request.v >= versions.MIGRATIONS_PAGED:
        body |= next_links(request, "migrations_links", found, _id_of, "os-migrations")
    return Reply(body)


def _id_of(migration: Migration) -> str:
    return str(migration.uuid)


async def _criteria(request: Request) -> Criteria | None:
    """None: no migration can match."""
    period = changed(request)
    server_uuid = request.q("instance_uuid")
    parsed = server_uuid and parse_uuid(server_uuid)
    if server_uuid is not None and parsed is None:
        return None
    if request.q("host") is not None or request.q("source_compute") is not None:
        request.require(_HOST)
    project_id = _project(request)
    after = await _after(request, project_id)
    return Criteria(
        most=limit_of(request),
        hidden=(request.q("hidden") or "").lower() in _TRUE,
        host=request.q("host"),
        server_uuid=parsed or None,
        migration_type=request.q("migration_type"),
        source_compute=request.q("source_compute"),
        status=request.q("status"),
        user_id=request.q("user_id"),
        project_id=project_id,
        changed_since=period.since,
        changed_before=period.before,
        after_created_at=after and after[0],
        after_id=after and after[1],
    )


def _project(request: Request) -> str | None:
    """Whose migrations; raises `Forbidden` for those of others."""
    asked: str | None = request.q("project_id")
    if request.can(_ALL_PROJECTS):
        return asked
    if asked not in {None, request.ctx.project_id}:
        raise Forbidden(f"Policy doesn't allow {_ALL_PROJECTS} to be performed.")
    return request.ctx.project_id


async def _after(request: Request, project_id: str | None) -> tuple[dt.datetime, int] | None:
    marker = request.q("marker")
    if marker is None:
        return None
    uuid = parse_uuid(marker)
    found = uuid and await store.position(request.app.pool, uuid, project_id)
    if not found:
        raise unknown_marker(marker)
    return found


OPERATIONS = [Operation("GET", "/os-migrations", index, _RULE, query=schemas.listing)]
