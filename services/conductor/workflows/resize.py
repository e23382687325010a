"""Resize a server to another flavor, or migrate it cold: to VERIFY_RESIZE on the destination.

    schedule   claim a destination           undo: give the claim back
    volumes    a second attachment of each   undo: delete them
    prepare    reserve the guest there       undo: destroy it
    leave      the source lets the guest go  undo: it goes on there
    network    bind the ports there          undo: bind them to the source
    finish     the guest is made there, held; with this commit it is the server's and goes on

    let_volumes_go   the attachments of the source are deleted

Nothing on the source is lost until the resize is confirmed: its guest, switched off, and its claim
stay. With `conductor.allow_resize_to_same_host` the destination may be the source: then the
guest is made again in its place. Input: state {"flavor": the new one, or null to migrate,
"host": target or null, "migration_uuid"}.
"""

from __future__ import annotations

from typing import Any

from common.db.stores.commit import NOW
from common.domain.states import PowerState, TaskState, VmState
from common.errors import MusterError, NoValidHost
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import moving, placing, ports, provisioning, volumes

CONDUCTOR_EVENT = "conductor_migrate_server"
COLD_EVENT = "cold_migrate"
PREPARE_EVENT = "compute_prep_resize"
LEAVE_EVENT = "compute_resize_instance"
FINISH_EVENT = "compute_finish_resize"


def _flavor(context: Context) -> dict[str, Any]:
    """The flavor it will have."""
    return context.state.get("flavor") or context.server.flavor


def _in_place(context: Context) -> bool:
    return bool(context.state["dest"] == context.state["source"])


def _was_active(context: Context) -> bool:
    return context.server.vm_state != VmState.STOPPED


async def schedule(context: Context) -> None:
    started = context.deps.clock.monotonic()
    resizing = context.state.get("flavor") is not None
    same_host = resizing and context.deps.settings.conductor.allow_resize_to_same_host
    await moving.choose_destination(context, flavor=_flavor(context), same_host=same_host)
    for event in (COLD_EVENT, CONDUCTOR_EVENT):
        context.event(event, None, started)
    context.change_server(task_state=TaskState.RESIZE_PREP)
    moving.migration(context, status="pre-migrating")


async def prepare(context: Context) -> None:
    started = context.deps.clock.monotonic()
    if not _in_place(context):
        await moving.prepare(context, _flavor(context))
    context.event(PREPARE_EVENT, context.state["dest"], started)
    context.change_server(task_state=TaskState.RESIZE_MIGRATING)
    moving.migration(context, status="migrating")


async def prepare_undo(context: Context) -> None:
    if not _in_place(context):
        await moving.destroy_at_destination(context)


async def leave(context: Context) -> None:
    started, state = context.deps.clock.monotonic(), context.state
    if not _in_place(context):
        await context.command(
            "migrate_out", host=state["source"], generation=state["source_generation"]
        )
    context.event(LEAVE_EVENT, state["source"], started)
    context.change_server(task_state=TaskState.RESIZE_MIGRATED)
    moving.migration(context, status="post-migrating")


async def leave_undo(context: Context) -> None:
    if not _in_place(context):
        await moving.return_to_source(context, power_on=_was_active(context))


async def network(context: Context) -> None:
    await ports.rebind(context, context.state["dest"])
    context.change_server(task_state=TaskState.RESIZE_FINISH)


async def finish(context: Context) -> None:
    started, state, server = context.deps.clock.monotonic(), context.state, context.server
    flavor, active = _flavor(context), _was_active(context)
    if _in_place(context):
        reply = await placing.make_guest(
            context,
            host=state["dest"],
            generation=state["generation"],
            power_on=active,
            flavor=flavor,
            by=state.get(volumes.ATTACHMENTS),
        )
    else:
        bigger = placing.with_flavor(server, flavor)
        disks = await volumes.for_destination(context)
        spec = placing.guest_spec(bigger, state["generation"], power_on=active, disks=disks)
        reply = await context.command(
            "finish_migration",
            host=state["dest"],
            generation=state["generation"],
            spec=await provisioning.with_facts(context, state["dest"], bigger, spec),
            power_state=int(PowerState.RUNNING if active else PowerState.SHUTDOWN),
        )
    context.event(FINISH_EVENT, state["dest"], started)
    volumes.adopt(context)
    context.change_server(
        **placing.flavor_columns(flavor),
        old_flavor=server.flavor,
        system_metadata={**server.system_metadata, "old_vm_state": server.vm_state},
        host=state["dest"],
        node=state["node"],
        generation=state["generation"],
        vm_state=VmState.RESIZED,
        task_state=None,
        power_state=reply.power_state,
        launched_at=NOW,
        fault=None,
    )
    context.let_execute(state["dest"], state["generation"])
    moving.migration(context, status="finished")


def failed(context: Context) -> None:
    """No host: the server goes on as before. Later failures: it is back where it was, and in
    error for somebody to look at."""
    error = context.error or MusterError()
    context.change_server(task_state=None, fault=context.fault(error))
    if isinstance(error, NoValidHost):
        context.event(COLD_EVENT, None, error=error)
    else:
        context.event(PREPARE_EVENT, None, error=error)
        context.change_server(vm_state=VmState.ERROR)
    moving.migration(context, status="error")


STEPS = (
    Step("schedule", schedule, moving.choose_destination_undo, deadline_s=60),
    moving.CONNECT,
    Step("prepare", prepare, prepare_undo, deadline_s=60, left=moving.left_at_destination),
    Step("leave", leave, leave_undo, deadline_s=120),
    Step("network", network, moving.rebind_to_source, deadline_s=60, left=ports.left),
    Step("finish", finish, deadline_s=120, pivot=True, left=moving.left_at_destination),
    volumes.LET_GO,
)

RESIZE = Definition("resize", STEPS, failed=failed, reroute=moving.another_destination)
