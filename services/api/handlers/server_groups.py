"""Server groups: servers that are to be together, or apart."""

from __future__ import annotations

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
    """Target: the group of the path. One of another project does not exist for who may not."""
    text = request.params["id"]
    uuid = parse_uuid(text)
    missing = NotFound(f"Instance group {text} could not be found.")
    if uuid is None:
        raise missing
    group = await server_groups.get(request.app.pool, uuid)
    request.owner_project_id, request.owner_user_id = group.project_id, group.user_id
    request.found = group
    if rule is not None and not request.can(rule):
        if group.project_id != request.ctx.project_id:
            raise missing
        request.require(rule)


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
        most=limits.of_user(ctx.user_id)["server_groups"],
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
