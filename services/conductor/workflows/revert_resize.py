"""Revert a resize: the guest the source kept is the server again, with its old flavor.

    drop      the destination destroys its guest; one that is down is told when it returns
    network   bind the ports to the source
    restore   the source's guest goes on, under a new generation
    settle    give back the claim on the destination

Input: state {"migration_uuid", "source", "source_node", "source_generation"}.
"""

from __future__ import annotations

from common.db.stores import claims
from common.db.stores.commit import NOW
from common.domain.states import VmState
from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import moving, placing, ports

EVENT = "compute_revert_resize"
FINISH_EVENT = "compute_finish_revert_resize"


def _old_vm_state(context: Context) -> VmState:
    return VmState(context.server.system_metadata.get("old_vm_state", VmState.ACTIVE))


async def drop(context: Context) -> None:
    state, server = context.state, context.server
    started = context.deps.clock.monotonic()
    assert server.host is not None, "a resized server is on its destination"
    generation = server.last_generation + 1
    state.update(dest=server.host, generation=generation, dropped=True)
    if state["source"] != server.host:
        await placing.destroy_guest(context, host=server.host, generation=server.generation)
    context.event(EVENT, server.host, started)
    context.event_start(FINISH_EVENT, state["source"])
    context.change_server(last_generation=generation)
    moving.migration(context, status="reverting")


async def network(context: Context) -> None:
    await ports.rebind(context, context.state["source"])


async def restore(context: Context) -> None:
    state, server = context.state, context.server
    active = _old_vm_state(context) != VmState.STOPPED
    old_flavor = server.old_flavor or server.flavor
    if state["source"] == state["dest"]:
        reply = await placing.spawn_guest(
            context,
            host=state["source"],
            generation=state["generation"],
            power_on=active,
            flavor=old_flavor,
        )
    else:
        reply = await context.command(
            "revert_migration",
            host=state["source"],
            generation=state["source_generation"],
            new_generation=state["generation"],
            power_on=active,
        )
    context.change_server(
        **placing.flavor_columns(old_flavor),
        old_flavor=None,
        host=state["source"],
        node=state.get("source_node") or state["source"],
        generation=state["generation"],
        power_state=reply.power_state,
        launched_at=NOW,
    )


async def settle(context: Context) -> None:
    await claims.release(context.deps.pool, context.server.uuid, purpose="migration")
    context.event_finish(FINISH_EVENT)
    context.change_server(vm_state=_old_vm_state(context), task_state=None, fault=None)
    moving.migration(context, status="reverted")


async def failed(context: Context) -> None:
    """Nothing was dropped: both guests are there, and the resize is still unsettled. Otherwise the
    guest on the source is the only one, so the server is back there whatever state it is in."""
    error, state, server = context.error or MusterError(), context.state, context.server
    context.change_server(vm_state=VmState.ERROR, task_state=None, fault=context.fault(error))
    if not state.get("dropped"):
        context.event(EVENT, server.host, context.deps.clock.monotonic(), error)
        moving.migration(context, status="finished")
        return
    context.event_finish(FINISH_EVENT, error)
    await claims.release(context.deps.pool, server.uuid, purpose="migration")
    if server.generation != state["generation"]:
        context.change_server(
            **placing.flavor_columns(server.old_flavor or server.flavor),
            old_flavor=None,
            host=state["source"],
            node=state.get("source_node") or state["source"],
            generation=await placing.generation_on(
                context, state["source"], otherwise=state["source_generation"]
            ),
        )
    moving.migration(context, status="error")


REVERT_RESIZE = Definition(
    "revert_resize",
    (
        Step("drop", drop, deadline_s=120),
        Step("network", network, deadline_s=60),
        Step("restore", restore, deadline_s=120),
        Step("settle", settle, deadline_s=60),
    ),
    failed=failed,
)
