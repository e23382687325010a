"""One port more, or less, for a server that exists.

Owns: making or taking the port, giving it back, and telling the host about the interface.
May not: touch a port that belongs to another server. Crash story: a port that is made says in its
binding profile which workflow has made it, so that a repeated step finds it and removes doubles;
one that the user has brought is taken again. An interface is found by its port.
"""

from __future__ import annotations

import asyncio
from typing import Any

from common.db.stores.commit import Leftover
from common.domain.server import Server
from common.errors import Conflict, NotFound, Unsupported
from common.neighbours.network import NetworkClient
from common.neighbours.network_records import Port
from services.conductor.engine.context import Context
from services.conductor.workflows import placing, ports


async def has_port(network: NetworkClient, server: Server, port_id: str) -> bool:
    """Whether there is such a port and it is the server's."""
    try:
        port = await network.port(port_id)
    except NotFound:
        return False
    return port.device_id == str(server.uuid)


def shown_vif(context: Context, port_id: str | None) -> dict[str, Any] | None:
    """What the server shows of that port."""
    return next((v for v in context.server.network_info if v["port_id"] == port_id), None)


async def take_port(context: Context, host: str) -> dict[str, Any]:
    """The port that the state asks for, bound to `host`, as the server will show it."""
    state, network = context.state, context.deps.network
    if (shown := shown_vif(context, state.get("port_id"))) is not None:
        return shown
    if state.get("port_id"):
        port = await _take_brought(context, state["port_id"], host)
    else:
        port = await _take_made(context, host)
    label = state.get("label")
    if label is None:
        names = {n.id: n.name for n in await network.networks(ids=[port.network_id])}
        label = names.get(port.network_id, port.network_id)
    return ports.vif(ports.bound(port, host), label=label, tag=state.get("tag"))


async def _take_brought(context: Context, port_id: str, host: str) -> Port:
    server, network = context.server, context.deps.network
    port = await network.port(port_id)
    if port.device_id not in ("", str(server.uuid)):
        raise Conflict(f"Port {port_id} is still in use.")
    owner = ports.owner(server)
    return await network.update_port(
        port_id, device_id=str(server.uuid), device_owner=owner, host_id=host
    )


async def _take_made(context: Context, host: str) -> Port:
    """One that an earlier attempt has made, or a new one."""
    state, network = context.state, context.deps.network
    if context.resumed:
        made = await _made_by_this(context)
        context.lease.check()
        await asyncio.gather(*(network.delete_port(double.id) for double in made[1:]))
        if made:
            return made[0]
    want = {"uuid": state["net_id"], "fixed_ip": state.get("fixed_ip")}
    profile = {ports.ATTACHMENT: context.workflow.id}
    return await network.create_port(ports.request(context.server, want, host, profile=profile))


async def _made_by_this(context: Context) -> list[Port]:
    """Lowest id first."""
    found = await context.deps.network.ports_of(context.server)
    mine = [p for p in found if p.profile.get(ports.ATTACHMENT) == context.workflow.id]
    return sorted(mine, key=lambda port: port.id)


async def give_back_taken(context: Context) -> None:
    """Undo `take_port`: what it has made goes, what it has taken is free again."""
    network, port_id = context.deps.network, context.state.get("port_id")
    if port_id is None:
        made = await _made_by_this(context)
        context.lease.check()
        await asyncio.gather(*(network.delete_port(port.id) for port in made))
    elif shown_vif(context, port_id) is None:
        await give_back(context, port_id)


async def give_back(context: Context, port_id: str) -> None:
    """A port that is gone, or another's by now, is left alone."""
    network = context.deps.network
    try:
        port = await network.port(port_id)
    except NotFound:
        return
    context.lease.check()
    if port.device_id == str(context.server.uuid):
        await ports.give_back(network, port)


async def attach(context: Context, vif: dict[str, Any]) -> None:
    """The guest has an interface for it afterwards."""
    server = context.server
    if server.host is None:
        raise Conflict(f"Instance {server.uuid} is not ready")
    await context.command(
        "attach_interface",
        host=server.host,
        generation=server.generation,
        interface=placing.interface(vif).model_dump(mode="json"),
    )


async def detach(context: Context, port_id: str) -> None:
    """The guest has none afterwards. A server that is on no host has no guest."""
    server = context.server
    if server.host is None or isinstance(context.error, Unsupported):
        return
    await context.command(
        "detach_interface", host=server.host, generation=server.generation, port_id=port_id
    )


def interface_of(port_id: str) -> Leftover:
    """An interface of which nobody knows whether the guest has it: made what the server shows."""
    return Leftover("interface", {"port_id": port_id}, "")


def outcome_of(error: Exception) -> dict[str, Any]:
    """For the request that waits."""
    return {"error": {"code": getattr(error, "code", "bug"), "message": str(error)}}
