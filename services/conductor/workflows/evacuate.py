"""Evacuate a server: rebuild it on another host because its own is down.

    fence      if the old host still reports, it stops the guest before another is made
    schedule   claim a host                      undo: give the claim back
    network    bind the ports there              undo: bind them to the old host
    spawn      the guest runs there; from the commit of this step the server *is* the new guest
    finish     give back the claim on the old host

The guest left behind keeps the older generation: its host is told to hold it while this runs,
and to destroy it afterwards, before it may execute again. When the evacuation fails the old
guest is still the server's. Input: state {"host": target or null, "force", "migration_uuid",
"stay_stopped"}.
"""

from __future__ import annotations

import structlog

from common.db.stores import claims
from common.db.stores import services as services_store
from common.db.stores.commit import NOW
from common.domain.states import TaskState, VmState
from common.errors import HostCommandFailed, MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import moving, placing, ports

log = structlog.get_logger(__name__)

CONDUCTOR_EVENT = "rebuild_server"
EVENT = "compute_rebuild_instance"


async def fence(context: Context) -> None:
    """Declared down is not dead: a host that came back before its guest was evacuated has been told
    to let it run. One that does not report is told to hold it when it does, because the migration
    is on record by now."""
    server = context.server
    context.state["source"] = server.host
    if server.host is None or not await services_store.host_reports(context.deps.pool, server.host):
        return
    try:
        await context.command("fence", host=server.host, generation=server.generation)
    except HostCommandFailed as error:
        log.info("source_not_fenced", host=server.host, error=str(error))


async def schedule(context: Context) -> None:
    started = context.deps.clock.monotonic()
    await moving.choose_destination(context, purpose="server")
    context.event(CONDUCTOR_EVENT, None, started)
    context.event_start(EVENT, context.state["dest"])
    context.change_server(task_state=TaskState.REBUILD_BLOCK_DEVICE_MAPPING)
    moving.migration(context, status="pre-migrating")


async def schedule_undo(context: Context) -> None:
    if not moving.has_moved(context):
        # Whatever was claimed, also a host whose name never reached us.
        await claims.release(context.deps.pool, context.server.uuid, keep_host=context.server.host)


async def network(context: Context) -> None:
    await ports.rebind(context, context.state["dest"])
    context.change_server(task_state=TaskState.REBUILD_SPAWNING)


async def network_undo(context: Context) -> None:
    if context.state.get("source"):
        await moving.rebind_to_source(context)


def _stays_stopped(context: Context) -> bool:
    return context.server.vm_state == VmState.STOPPED or bool(context.state.get("stay_stopped"))


def _settled(context: Context) -> VmState:
    return VmState.STOPPED if context.state["stopped"] else VmState.ACTIVE


async def spawn(context: Context) -> None:
    state = context.state
    reply = await placing.spawn_guest(
        context,
        host=state["dest"],
        generation=state["generation"],
        power_on=not _stays_stopped(context),
    )
    state["stopped"] = _stays_stopped(context)
    context.change_server(
        host=state["dest"],
        node=state["node"],
        generation=state["generation"],
        power_state=reply.power_state,
    )
    moving.migration(context, status="done")


async def spawn_undo(context: Context) -> None:
    state = context.state
    if not moving.has_moved(context):
        await placing.destroy_guest(context, host=state["dest"], generation=state["generation"])


async def finish(context: Context) -> None:
    state = context.state
    await claims.release(context.deps.pool, context.server.uuid, keep_host=state["dest"])
    context.event_finish(EVENT)
    context.change_server(
        vm_state=_settled(context),
        task_state=None,
        fault=None,
        launched_at=NOW,
    )
    context.recheck(state["source"])


async def failed(context: Context) -> None:
    error = context.error or MusterError()
    if moving.has_moved(context):
        # Only the old claim is left over; the guest is good and the server must not be lost.
        await claims.release(
            context.deps.pool, context.server.uuid, keep_host=context.state["dest"]
        )
        context.event_finish(EVENT, error)
        context.change_server(vm_state=_settled(context), task_state=None)
        return
    if "dest" in context.state:
        context.event_finish(EVENT, error)
    else:
        context.event(CONDUCTOR_EVENT, None, context.deps.clock.monotonic(), error)
    context.change_server(vm_state=VmState.ERROR, task_state=None, fault=context.fault(error))
    moving.migration(context, status="error")
    if source := context.state.get("source"):
        context.recheck(source)


EVACUATE = Definition(
    "evacuate",
    (
        Step("fence", fence, deadline_s=60),
        Step("schedule", schedule, schedule_undo, deadline_s=60),
        Step("network", network, network_undo, deadline_s=60),
        Step("spawn", spawn, spawn_undo, deadline_s=120),
        Step("finish", finish, deadline_s=60),
    ),
    failed=failed,
)
