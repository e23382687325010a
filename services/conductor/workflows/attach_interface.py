"""Give a server another network interface, while it runs, is paused or is stopped.

    port     a new port, or the one that the user has brought, bound to the server's host
                                                  undo: delete it, or let it go
    attach   the guest gets the interface; with this commit the server shows it
                                                  undo: it loses it again

The request waits for the end of it, but nothing depends on the request: whoever dies, the server
has both, port and interface, or neither. What a silent host may have done is left over until it has
answered. For a port that the server shows already it makes sure of the interface only.
Input: state {"port_id"} or {"net_id", "fixed_ip"}, {"label", "tag"}, all but one optional.
"""

from __future__ import annotations

from common.db.stores.commit import Leftover
from common.errors import Conflict, MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import attaching, ports

EVENT = "compute_attach_interface"


async def port(context: Context) -> None:
    server = context.server
    if server.host is None:
        raise Conflict(f"Instance {server.uuid} is not ready")
    context.event_start(EVENT, server.host)
    context.state["vif"] = await attaching.take_port(context, server.host)


async def port_undo(context: Context) -> None:
    await attaching.give_back_taken(context)


async def attach(context: Context) -> None:
    vif = context.state["vif"]
    await attaching.attach(context, vif)
    context.event_finish(EVENT)
    others = [v for v in context.server.network_info if v["port_id"] != vif["port_id"]]
    if len(others) == len(context.server.network_info):
        context.change_server(network_info=[*others, vif])
    context.changes.outcome = {"port_id": vif["port_id"]}
    context.changes.settled = attaching.interface_of(vif["port_id"])
    context.changes.ports_changed = True


async def attach_undo(context: Context) -> None:
    port_id = context.state["vif"]["port_id"]
    if attaching.shown_vif(context, port_id) is None:
        await attaching.detach(context, port_id)


def attach_left(context: Context) -> list[Leftover]:
    return [attaching.interface_of(context.state["vif"]["port_id"])]


def failed(context: Context) -> None:
    error = context.error or MusterError()
    if context.failed_step == "port":  # what it started was not committed
        context.event(EVENT, context.server.host, error=error)
    else:
        context.event_finish(EVENT, error)
    context.changes.outcome = attaching.outcome_of(error)


ATTACH_INTERFACE = Definition(
    "attach_interface",
    (
        Step("port", port, port_undo, deadline_s=60, left=ports.left),
        Step("attach", attach, attach_undo, deadline_s=60, left=attach_left),
    ),
    failed=failed,
)
