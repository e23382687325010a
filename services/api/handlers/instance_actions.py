"""What was done to a server: list of actions, one action with its events."""

from __future__ import annotations

from typing import Any

from common.db.stores import instance_actions as store
from common.db.stores.instance_actions import InstanceAction
from common.domain.server import Server
from common.errors import NotFound
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.paging import limit_of, unknown_marker
from services.api.periods import changed
from services.api.request import Request
from services.api.schemas import servers_query
from services.api.targets import SERVER, SERVER_OR_DELETED
from services.api.versions import MAX, MIN, before
from services.api.views import instance_actions as views

_LIST = "os_compute_api:os-instance-actions:list"
_SHOW = "os_compute_api:os-instance-actions:show"


async def index(request: Request) -> Reply:
    placed = request.server
    server = placed.server
    limit, period = limit_of(request), changed(request)
    found = await store.actions_list(
        request.app.pool,
        server.uuid,
        since=period.since,
        before=period.before,
        after=await _marker(request, server),
        most=limit,
    )
    render = views.ACTION.renderer(request)
    body: dict[str, Any] = {"instanceActions": [render(action) for action in found]}
    if request.v >= versions.ACTIONS_PAGED and found and len(found) == limit:
        path = ("servers", str(server.uuid), "os-instance-actions")
        body["links"] = request.links.next(found[-1].request_id, *path)
    return Reply(body)


async def _marker(request: Request, server: Server) -> InstanceAction | None:
    marker = request.q("marker")
    if marker is None:
        return None
    action = await store.action_get(request.app.pool, server.uuid, marker)
    if action is None:
        raise unknown_marker(marker)
    return action


async def show(request: Request) -> Reply:
    placed = request.server
    server, request_id = placed.server, request.params["id"]
    action = await store.action_get(request.app.pool, server.uuid, request_id)
    if action is None:
        raise NotFound(f"Action {request_id} not found")
    shown = views.ACTION.renderer(request)(action)
    if request.v >= versions.EVENTS_FOR_READERS or request.can(views.EVENTS, server.project_id):
        render = views.EVENT.renderer(request)
        events = await store.events_list(request.app.pool, action.id)
        shown["events"] = [render((event, server.project_id)) for event in events]
    return Reply({"instanceAction": shown})


# fmt: off
_PATH = "/servers/{server_id}/os-instance-actions"
OPERATIONS = [
    *(
        operation
        for since, until, target in (
            (MIN, before(versions.ACTIONS_OF_DELETED), SERVER),
            (versions.ACTIONS_OF_DELETED, MAX, SERVER_OR_DELETED),
        )
        for operation in (
            Operation("GET", _PATH, index, _LIST, target, since, until,
                      query=servers_query.instance_actions),
            Operation("GET", _PATH + "/{id}", show, _SHOW, target, since, until),
        )
    ),
]
