"""Take a network interface from a server, while it runs, is paused or is stopped.

    detach    the guest loses the interface                   undo: it gets it back
    release   the port is deleted, or let go if the user has brought it; with this commit the server
              shows it no more

Once the guest has lost it there is no way back. For a port that the server does not show it makes
sure of the guest only: that is how an interface is removed of which nobody knew.
Input: state {"port_id"}; with {"gone": true} nobody has asked for it: the network service has
deleted the port or given it to another, and when that is no longer so nothing is done.
"""

from __future__ import annotations

from common.db.stores.commit import Leftover
from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import attaching, ports

EVENT = "compute_detach_interface"


async def detach(context: Context) -> None:
    state, server = context.state, context.server
    context.event_start(EVENT, server.host)
    if state.get("gone"):
        state["stays"] = await attaching.has_port(context.deps.network, server, state["port_id"])
    if not state.get("stays"):
        await attaching.detach(context, state["port_id"])


async def detach_undo(context: Context) -> None:
    vif = attaching.shown_vif(context, context.state["port_id"])
    if vif is not None:
        await attaching.attach(context, vif)


async def release(context: Context) -> None:
    if not context.state.get("stays"):
        await attaching.give_back(context, context.state["port_id"])
    _released(context)


def release_otherwise(context: Context) -> None:
    _released(context)


def _released(context: Context) -> None:
    state, shown = context.state, context.server.network_info
    context.event_finish(EVENT, context.error)
    context.changes.settled = attaching.interface_of(state["port_id"])
    if not state.get("stays"):
        context.change_server(network_info=[v for v in shown if v["port_id"] != state["port_id"]])
        context.changes.ports_changed = True


def detach_left(context: Context) -> list[Leftover]:
    return [attaching.interface_of(context.state["port_id"])]


def failed(context: Context) -> None:
    context.event(EVENT, context.server.host, error=context.error or MusterError())


DETACH_INTERFACE = Definition(
    "detach_interface",
    (
        Step("detach", detach, detach_undo, deadline_s=60, pivot=True, left=detach_left),
        Step("release", release, deadline_s=60, otherwise=release_otherwise, left=ports.left),
    ),
    failed=failed,
)
