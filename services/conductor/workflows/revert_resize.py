"""Revert a resize: the guest the source kept is the server again, with its old flavor.

    drop      the destination destroys its guest; from this commit on the server is the source's
              guest again. A silent host must answer or be declared down first: its guest executes
              undo: none; the destination says whether it was dropped after all
    network   bind the ports to the source
    volumes   a second attachment of each, for the source
    restore   the source's guest goes on with them
    let_volumes_go   the attachments of the destination are deleted

A resize in place has one guest: it is made again with the old flavor, held until the last commit.
Input: state {"migration_uuid", "source", "source_node", "source_generation"}.
"""

from __future__ import annotations

from common.db.stores.commit import NOW, Leftover
from common.domain.states import VmState
from common.errors import Conflict, MusterError, NotFound
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.engine.remains import with_reason
from services.conductor.workflows import moving, placing, ports, volumes

EVENT = "compute_revert_resize"
FINISH_EVENT = "compute_finish_revert_resize"


def _old_vm_state(context: Context) -> VmState:
    return VmState(context.server.system_metadata.get("old_vm_state", VmState.ACTIVE))


def _in_place(context: Context) -> bool:
    return bool(context.state["source"] == context.state["dest"])


async def drop(context: Context) -> None:
    state, server = context.state, context.server
    started = context.deps.clock.monotonic()
    assert server.host is not None, "a resized server is on its destination"
    # A generation is used up in any case: the destination's must not be the newest one promised.
    state.update(dest=server.host, generation=server.last_generation + 1)
    context.change_server(last_generation=state["generation"])
    if not _in_place(context):
        await placing.end_guest(context, host=server.host, generation=server.generation)
        state["dropped"] = True
        _back_at_source(context)
    context.event(EVENT, server.host, started)
    context.event_start(FINISH_EVENT, state["source"])
    moving.migration(context, status="reverting")


async def drop_undo(context: Context) -> None:
    """A run that died, or whose answer was lost, may have dropped it; then the server is the
    source's guest, and so are its volumes."""
    state, server = context.state, context.server
    if server.host is None or server.host == state["source"]:
        return
    if not state.get("dropped"):
        try:
            await context.command("guest_info", host=server.host, generation=server.generation)
        except NotFound:
            state.update(generation=server.last_generation + 1, dropped=True)
    if state.get("dropped"):
        await volumes.attach_at(context, state["source"])


def _back_at_source(context: Context) -> None:
    """The server is the guest that the source kept."""
    state = context.state
    _give_back(context)
    context.change_server(
        host=state["source"],
        node=state.get("source_node") or state["source"],
        generation=state["source_generation"],
        last_generation=state["generation"],
    )


def _give_back(context: Context) -> None:
    """The flavor and the claim that the resize brought."""
    server = context.server
    context.change_server(
        **placing.flavor_columns(server.old_flavor or server.flavor), old_flavor=None
    )
    context.release_claims(purpose="migration")


async def network(context: Context) -> None:
    await ports.rebind(context, context.state["source"])


async def restore(context: Context) -> None:
    state, server = context.state, context.server
    active = _old_vm_state(context) != VmState.STOPPED
    if _in_place(context):
        reply = await placing.make_guest(
            context,
            host=state["source"],
            generation=state["generation"],
            power_on=active,
            flavor=server.old_flavor or server.flavor,
        )
        _give_back(context)
        context.change_server(generation=state["generation"])
        context.let_execute(state["source"], state["generation"])
    else:
        if volumes.needed(context) and volumes.ATTACHMENTS not in state:
            raise Conflict("its volumes are not connected to the host; a hard reboot does it")
        disks = await volumes.for_destination(context)
        reply = await context.command(
            "revert_migration",
            host=state["source"],
            generation=state["source_generation"],
            new_generation=state["source_generation"],
            power_on=active,
            held=False,
            volumes=[disk.model_dump() for disk in disks],
        )
        volumes.adopt(context)
    context.event_finish(FINISH_EVENT)
    context.change_server(
        vm_state=_old_vm_state(context),
        task_state=None,
        power_state=reply.power_state,
        launched_at=NOW,
        fault=None,
    )
    moving.migration(context, status="reverted")


async def connect(context: Context) -> None:
    await volumes.attach_at(context, context.state["source"])


def _needs_volumes(context: Context) -> bool:
    return volumes.needed(context) and not _in_place(context)


def restore_otherwise(context: Context) -> None:
    """The guest on the source is the only one there is, whatever state it is in."""
    error = context.error or MusterError()
    if _in_place(context):
        _give_back(context)
    else:
        volumes.adopt(context)
    context.event_finish(FINISH_EVENT, error)
    context.change_server(vm_state=VmState.ERROR, task_state=None, fault=context.fault(error))
    moving.migration(context, status="error")


def failed(context: Context) -> None:
    """Nothing was dropped: both guests are there, and the resize waits to be settled as before.
    Otherwise the source's is the only one: it is switched off, and a hard reboot lets it go on."""
    error = context.error or MusterError()
    context.event(EVENT, context.server.host, error=error)
    context.change_server(task_state=None)
    moving.migration(context, status="finished")
    if context.state.get("dropped"):
        context.change_server(vm_state=VmState.ERROR, fault=context.fault(error))
        _back_at_source(context)
        volumes.adopt(context)
        moving.migration(context, status="error")
        context.changes.leftovers.append(Leftover("ports", {}, context.reason))
        context.changes.leftovers += with_reason(volumes.left(context), error)


REVERT_RESIZE = Definition(
    "revert_resize",
    (
        Step("drop", drop, drop_undo, deadline_s=120, pivot=True),
        Step("network", network, deadline_s=60, durable=False, left=ports.left),
        Step("volumes", connect, deadline_s=120, needed=_needs_volumes, left=volumes.left),
        Step("restore", restore, deadline_s=120, otherwise=restore_otherwise, left=volumes.left),
        volumes.LET_GO,
    ),
    failed=failed,
)
