"""How every server action begins: checks in the row's order, then one transaction, then a wake-up.

Owns: carrying out rows of common/domain/actions.py, and the words of their refusals.
May not: know what any action does; that is its workflow's business.
Crash story: the transaction is the action. A wake-up that is lost costs a sweep interval.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from common.bus.port import Queue
from common.bus.topology import CONDUCTOR
from common.db.stores import quotas, servers
from common.db.stores import server_actions as store
from common.db.stores.server_actions import MigrationStart, Requester
from common.db.stores.servers import PlacedServer
from common.domain.actions import DELETE, Action
from common.domain.block_devices import BlockDevice
from common.domain.server import Server
from common.errors import Conflict
from common.messages.scheduler import SelectHost
from common.messages.workflow import CANCEL_TOPIC, CancelWorkflow, RunWorkflow
from services.api import versions
from services.api.operation import Handler, Operation, Reply, Rule, SchemaOf
from services.api.request import Deps, Request
from services.api.schemas.servers_actions import bare
from services.api.targets import SERVER, server_not_found

log = structlog.get_logger(__name__)

ACTION_PATH = "/servers/{server_id}/action"
LOCK_OVERRIDE = "os_compute_api:os-lock-server:unlock:unlock_override"
"""Who may open an administrator's lock is not stopped by any lock."""


def action_operation(
    action: Action,
    handler: Handler,
    body: SchemaOf,
    *,
    success: int = 202,
    policy: Rule | None = None,
    since: int = versions.MIN,
    until: int = versions.MAX,
) -> Operation:
    """The operation of a row: POST .../action with its key. `policy` where the rule depends on
    what the request says; else it is the row's."""
    return Operation(
        "POST",
        ACTION_PATH,
        handler,
        policy=policy or action.policy,
        target=SERVER,
        since=since,
        until=until,
        body=body,
        success=success,
        action=action.key,
    )


def simple_operation(
    action: Action,
    body: SchemaOf | None = None,
    *,
    success: int = 202,
    since: int = versions.MIN,
    until: int = versions.MAX,
) -> Operation:
    """The whole operation of a row whose request says nothing but what is to be done."""

    async def handler(request: Request) -> Reply:
        await start_action(request, action)
        return Reply()

    return action_operation(
        action, handler, body or bare(action.key), success=success, since=since, until=until
    )


def requester(request: Request) -> Requester:
    """Who the instance action names."""
    ctx = request.ctx
    return Requester(ctx.request_id, ctx.user_id, ctx.project_id)


def check(request: Request, action: Action, now: PlacedServer | None = None) -> None:
    """Raises `Conflict` with the first reason why the action is refused to the request's server,
    or to what it is `now`."""
    checks = {"lock": _check_lock, "host": _check_host, "state": _check_state}
    placed = now or request.server
    for name in action.checks:
        if name == "lock" and placed.server.locked_by and request.can(LOCK_OVERRIDE):
            continue
        checks[name](action, placed)


def _check_lock(_action: Action, placed: PlacedServer) -> None:
    if placed.server.locked_by is not None:
        raise Conflict(f"Instance {placed.server.uuid} is locked")


def _check_host(action: Action, placed: PlacedServer) -> None:
    server = placed.server
    if not server.host:
        raise Conflict(f"Instance {server.uuid} is not ready")
    if action.needs_host_up and not placed.host_up:
        raise Conflict(f"Service is unavailable at this time: host {server.host} is down")


def _check_state(action: Action, placed: PlacedServer) -> None:
    server = placed.server
    if server.vm_state not in action.vm_states:
        raise Conflict(refusal(action, server, "vm_state", server.vm_state))
    if action.task_states is not None and server.task_state not in action.task_states:
        raise Conflict(refusal(action, server, "task_state", server.task_state))
    if action.must_have_launched and server.launched_at is None:
        raise Conflict(f"Instance {server.uuid} is in an invalid state for '{action.word}'")


def refusal(action: Action, server: Server, attribute: str, value: str | None) -> str:
    return (
        f"Cannot '{action.word}' instance {server.uuid} while it is in "
        f"{attribute} {'None' if value is None else value}"
    )


async def start_action(
    request: Request,
    action: Action,
    state: dict[str, Any] | None = None,
    *,
    migration: MigrationStart | None = None,
    columns: dict[str, Any] | None = None,
    adds: dict[str, int] | None = None,
    disk: Callable[[Sequence[BlockDevice]], BlockDevice] | None = None,
) -> None:
    """Check the row, begin the action on the request's server, wake a conductor. `state` is the
    workflow's input, `columns` are written to the server with it, `adds` is what the server will
    count for more in the quota, `disk` makes one more that it has from then on, of those it has.

    Raises `Conflict` when the row forbids it, also when another request came first, `OverQuota`.
    """
    check(request, action)
    app, server = request.app, request.server.server
    uuid = server.uuid
    begin = store.begin_action
    if adds is not None:
        found = await quotas.limits(app.pool, server.project_id, app.settings.quota)
        begin = functools.partial(
            store.begin_within_quota,
            project_id=server.project_id,
            user_id=server.user_id,
            limits=found.caps(server.user_id),
            adds=adds,
        )
    if disk is not None:
        begin = functools.partial(store.begin_with_disk, disk=disk)
    workflow_id = await begin(
        app.pool,
        uuid,
        action,
        state=state or {},
        requester=requester(request),
        deadline_s=app.settings.conductor.workflow_deadline_s,
        reserve_s=app.settings.conductor.reserve_s,
        migration=migration,
        columns=columns,
    )
    if workflow_id is None:
        await _explain_lost_race(request, action)
    else:
        wake(request.app, request.ctx.request_id, {uuid: workflow_id})


async def _explain_lost_race(request: Request, action: Action) -> None:
    """Raise what a request that came a moment later would have got."""
    uuid = request.server.server.uuid
    now = await servers.server_get(request.app.pool, uuid)
    if now is None:
        raise server_not_found(uuid)
    check(request, action, now)
    raise Conflict(refusal(action, now.server, "task_state", now.server.task_state))


async def start_delete(request: Request, action: Action) -> None:
    """Deletion overtakes whatever runs on the server; asking again changes nothing.

    Where deleted servers can be restored for a while, DELETE only switches off and hides one that
    has run and has a place."""
    check(request, action)
    server, settings = request.server.server, request.app.settings.conductor
    uuid = server.uuid
    existed, workflow_id = await store.begin_delete(
        request.app.pool,
        uuid,
        requester=requester(request),
        deadline_s=settings.workflow_deadline_s,
        reserve_s=settings.reserve_s,
        soft=(
            action is DELETE
            and settings.reclaim_instance_interval_s > 0
            and server.launched_at is not None
            and server.host is not None
        ),
    )
    if not existed:
        raise server_not_found(uuid)
    if workflow_id is not None:
        await announce_overtaking(request, server)
        wake(request.app, request.ctx.request_id, {uuid: workflow_id})


async def announce_overtaking(request: Request, server: Server) -> None:
    """Tell the conductor that runs something on the server that it was asked to give way."""
    message = CancelWorkflow(request_id=request.ctx.request_id, server_uuid=str(server.uuid))
    await request.app.bus.publish_event(CANCEL_TOPIC, message)


def wake(app: Deps, request_id: str, workflow_ids: dict[Any, int]) -> None:
    """Tell conductors of new workflows (by server id); the answer does not wait for it."""
    for uuid, workflow_id in workflow_ids.items():
        message = RunWorkflow(request_id=request_id, workflow_id=workflow_id, server_uuid=str(uuid))
        app.tasks.spawn("wake-conductor", _publish(app, message))


async def _publish(app: Deps, message: RunWorkflow) -> None:
    await publish_wake_up(app, CONDUCTOR, message)


async def publish_wake_up(app: Deps, queue: Queue, message: RunWorkflow | SelectHost) -> None:
    """One that is lost costs a conductor's sweep."""
    try:
        await app.bus.publish(queue, message)
    except Exception as error:
        log.warning("wake_up_lost", server=message.server_uuid, error=repr(error))
