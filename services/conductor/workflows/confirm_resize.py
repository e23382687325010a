"""Confirm a resize: what the source kept is let go.

    let_go   the source destroys its guest; one that is down is told when it returns
    settle   the claim on the destination becomes the server's, the old one is given back

Input: state {"migration_uuid", "source", "source_generation"}.
"""

from __future__ import annotations

from common.db.stores import claims
from common.domain.states import PowerState, VmState
from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import moving, placing

EVENT = "compute_confirm_resize"


async def let_go(context: Context) -> None:
    state = context.state
    context.event_start(EVENT, state["source"])
    if state["source"] != context.server.host:
        await placing.destroy_guest(
            context, host=state["source"], generation=state["source_generation"]
        )
    moving.migration(context, status="confirming")


async def settle(context: Context) -> None:
    server = context.server
    assert server.host is not None, "a resized server is on its destination"
    await claims.promote(context.deps.pool, server.uuid, server.host)
    context.event_finish(EVENT)
    stopped = server.power_state == PowerState.SHUTDOWN
    context.change_server(
        vm_state=VmState.STOPPED if stopped else VmState.ACTIVE, task_state=None, old_flavor=None
    )
    moving.migration(context, status="confirmed")


async def failed(context: Context) -> None:
    """What the source kept is over either way: its host is told so when it reports."""
    error, server = context.error or MusterError(), context.server
    if server.host is not None:
        await claims.promote(context.deps.pool, server.uuid, server.host)
    context.event_finish(EVENT, error)
    context.change_server(vm_state=VmState.ERROR, task_state=None, fault=context.fault(error))
    moving.migration(context, status="error")
    context.recheck(context.state["source"])


CONFIRM_RESIZE = Definition(
    "confirm_resize",
    (Step("let_go", let_go, deadline_s=120), Step("settle", settle, deadline_s=60)),
    failed=failed,
)
