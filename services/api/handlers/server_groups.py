"""Server groups: servers that are to be together, or apart."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from common.db.stores import quotas, server_groups
from common.db.stores.server_groups import ServerGroup
from common.errors import InvalidInput, NotFound
from services.api.identifiers import parse_uuid
from services.api.operation import Operation, Reply
from services.api.paging import limit_of
from services.api.request import Request
from services.api.schemas import server_groups as schemas
from services.api.views.server_groups import GROUP

_RULE = "os_compute_api:os-server-groups"
_ALL_PROJECTS = f"{_RULE}:index:all_projects"


async def _group(request: Request, rule: str | None) -> None:
    """Target: the group of the path. One of another project, for who may not see it, is as one
    that does not exist; and so it is for who may not even ask."""
    text = request.params["id"]
    uuid, group = parse_uuid(text), None
    if uuid is not None:
        with suppress(NotFound):
            group = await server_groups.get(request.app.pool, uuid)
    mine = group is None or group.project_id == request.ctx.project_id
    if group is not None:
        request.owner_project_id, request.owner_user_id = group.project_id, group.user_id
    if rule is not None and mine:
        request.require(rule)
    if group is None or (rule is not None and not request.can(rule)):
        raise NotFound(f"Instance group {text} could not be found.")
    request.found = group


def _shown(request: Request, group: ServerGroup) -> Reply:
    return Reply({"server_group": GROUP.renderer(request)(group)})


async def index(request: Request) -> Reply:
    project_id: str | None = request.ctx.project_id
    if request.q("all_projects") is not None:
        request.require(_ALL_PROJECTS)
        project_id = None
    found = await server_groups.find(
        request.app.pool, project_id, limit=limit_of(request), offset=request.q("offset") or 0
    )
    render = GROUP.renderer(request)
    return Reply({"server_groups": [render(group) for group in found]})


async def create(request: Request) -> Reply:
    asked: dict[str, Any] = request.body["server_group"]
    ctx, app = request.ctx, request.app
    policy = asked["policy"] if "policy" in asked else asked["policies"][0]
    rules = asked.get("rules", {})
    if rules and policy != "anti-affinity":
        raise InvalidInput("Only anti-affinity policy supports rules.")
    limits = await quotas.limits(app.pool, ctx.project_id, app.settings.quota)
    made = await server_groups.create(
        app.pool,
        app.ids.uuid(),
        project_id=ctx.project_id,
        user_id=ctx.user_id,
        name=asked["name"],
        policy=policy,
        max_per_host=rules.get("max_server_per_host"),
        caps=limits.caps(ctx.user_id),
    )
    return _shown(request, made)


async def show(request: Request) -> Reply:
    return _shown(request, request.found)


async def delete(request: Request) -> Reply:
    group: ServerGroup = request.found
    await server_groups.delete(request.app.pool, group.uuid)
    return Reply()


_ALL = "/os-server-groups"
_ONE = "/os-server-groups/{id}"

# fmt: off
OPERATIONS = [
    Operation("GET", _ALL, index, policy=f"{_RULE}:index", query=schemas.list_query),
    Operation("POST", _ALL, create, policy=f"{_RULE}:create", body=schemas.create),
    Operation("GET", _ONE, show, policy=f"{_RULE}:show", target=_group),
    Operation("DELETE", _ONE, delete, policy=f"{_RULE}:delete", target=_group, success=204),
]
