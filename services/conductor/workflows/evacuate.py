"""Evacuate a server: rebuild it on another host because its own is down.

    fence      the old host is fenced, and if it reports it answers that it holds the guest; else
               nothing is done, above all not when the server is on a host that is up by now
    schedule   claim a host                      undo: give the claim back
    network    bind the ports there              undo: bind them to the old host
    volumes    a second attachment of each, there    undo: delete them
    spawn      the guest is made there, held; with this commit it is the server's and may execute,
               and the claim on the old host is given back       undo: destroy it
    let_volumes_go   the attachments of the old host are deleted

The guest left behind keeps the older generation: its host is told to hold it while this runs,
and to destroy it afterwards, before it may execute again. When the evacuation fails the old
guest is still the server's.
An evacuation may have waited for what ran on the server when it was asked for, a move perhaps, and
its host may have come back meanwhile.

Input: state {"host": target or null, "force", "migration_uuid", "stay_stopped",
"sealed_secrets": its new password, if it gets one}.
"""

from __future__ import annotations

from common.db.stores import services as services_store
from common.db.stores.commit import CLAIMED_HOST, NOW
from common.domain.states import TaskState, VmState
from common.errors import Conflict, HostCommandFailed, MusterError
from services.conductor.engine.context import Context, HostDown
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import moving, placing, ports, volumes

CONDUCTOR_EVENT = "rebuild_server"
EVENT = "compute_rebuild_instance"


async def fence(context: Context) -> None:
    """Declared down is not dead: a host that came back before its guest was evacuated has been told
    to let it run, so one that reports must say that it holds it. One that does not report is told
    so when it does, because the migration is on record by now."""
    server = context.server
    context.state["source"] = server.host
    if server.host is None:
        return
    standing = await services_store.host_standing(context.deps.pool, server.host)
    if standing == "up":
        context.state["still_up"] = True
        raise Conflict(f"Compute service of {server.host} is still in use.")
    if standing == "silent":
        raise HostCommandFailed(
            f"host {server.host} is silent and may be running the server: declare it down "
            "(forced_down) once it is switched off"
        )
    if not await services_store.host_reports(context.deps.pool, server.host):
        return
    try:
        await context.command("fence", host=server.host, generation=server.generation)
    except HostDown as error:
        if not error.fenced:
            raise


async def schedule(context: Context) -> None:
    started = context.deps.clock.monotonic()
    await moving.choose_destination(context, purpose="server")
    context.event(CONDUCTOR_EVENT, None, started)
    context.event_start(EVENT, CLAIMED_HOST)
    context.change_server(task_state=TaskState.REBUILD_BLOCK_DEVICE_MAPPING)
    moving.migration(context, status="pre-migrating")


async def schedule_undo(context: Context) -> None:
    context.release_claims(keep_host=context.server.host)


async def network(context: Context) -> None:
    await ports.rebind(context, context.state["dest"])


async def network_undo(context: Context) -> None:
    if context.state.get("source"):
        await moving.rebind_to_source(context)


async def spawn(context: Context) -> None:
    state = context.state
    stopped = context.server.vm_state == VmState.STOPPED or bool(state.get("stay_stopped"))
    reply = await placing.make_guest(
        context,
        host=state["dest"],
        generation=state["generation"],
        power_on=not stopped,
        by=state.get(volumes.ATTACHMENTS),
    )
    volumes.adopt(context)
    context.event_finish(EVENT)
    context.change_server(
        host=state["dest"],
        node=state["node"],
        generation=state["generation"],
        vm_state=VmState.STOPPED if stopped else VmState.ACTIVE,
        task_state=None,
        power_state=reply.power_state,
        launched_at=NOW,
        fault=None,
    )
    context.release_claims(keep_host=state["dest"])
    context.let_execute(state["dest"], state["generation"])
    moving.migration(context, status="done")
    if state["source"]:
        context.recheck(state["source"])


def failed(context: Context) -> None:
    error = context.error or MusterError()
    if "dest" in context.state:
        context.event_finish(EVENT, error)
    else:
        context.event(CONDUCTOR_EVENT, None, error=error)
    context.change_server(task_state=None)
    if not context.state.get("still_up"):
        context.change_server(vm_state=VmState.ERROR, fault=context.fault(error))
    moving.migration(context, status="error")
    if source := context.state.get("source"):
        context.recheck(source)


EVACUATE = Definition(
    "evacuate",
    (
        Step("fence", fence, deadline_s=60),
        Step("schedule", schedule, schedule_undo, deadline_s=60),
        Step("network", network, network_undo, deadline_s=60, durable=False, left=ports.left),
        moving.CONNECT,
        Step(
            "spawn",
            spawn,
            moving.destroy_at_destination,
            deadline_s=120,
            pivot=True,
            left=moving.left_at_destination,
        ),
        volumes.LET_GO,
    ),
    failed=failed,
)
