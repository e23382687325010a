"""Confirm a resize: what the source kept is let go, and its claim is given back.

    let_go   the source destroys its guest, which is switched off; one that is down, or fails to, is
             told again when it reports

There is no way back from the beginning on. Input: state {"migration_uuid", "source",
"source_generation"}.
"""

from __future__ import annotations

from common.db.stores.commit import Leftover
from common.domain.states import PowerState, VmState
from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import moving, placing

EVENT = "compute_confirm_resize"


async def let_go(context: Context) -> None:
    state, started = context.state, context.deps.clock.monotonic()
    if state["source"] != context.server.host:
        await placing.destroy_guest(
            context, host=state["source"], generation=state["source_generation"]
        )
    context.event(EVENT, state["source"], started)
    _confirmed(context)


def _confirmed(context: Context) -> None:
    server = context.server
    assert server.host is not None, "a resized server is on its destination"
    context.changes.promote = server.host
    stopped = server.power_state == PowerState.SHUTDOWN
    context.change_server(
        vm_state=VmState.STOPPED if stopped else VmState.ACTIVE, task_state=None, old_flavor=None
    )
    moving.migration(context, status="confirmed")


def let_go_otherwise(context: Context) -> None:
    context.event(EVENT, context.state["source"], error=context.error or MusterError())
    _confirmed(context)
    context.recheck(context.state["source"])


def let_go_left(context: Context) -> list[Leftover]:
    state = context.state
    if state["source"] == context.server.host:
        return []
    return placing.guest_left(state["source"], state["source_generation"])


CONFIRM_RESIZE = Definition(
    "confirm_resize",
    (Step("let_go", let_go, deadline_s=120, otherwise=let_go_otherwise, left=let_go_left),),
    forward_only=True,
)
