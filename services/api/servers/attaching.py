"""POST os-interface: what is asked for, whether it can be had, and waiting for it.

Owns: the refusals before anything begins, and what each end of the workflow is answered with.
May not: make a port. Crash story: the workflow goes on when nobody waits for it any more; the
server has port and interface in the end, or neither.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from common.db.stores import instance_actions
from common.domain.actions import ATTACH_INTERFACE
from common.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Timeout,
    Unavailable,
    from_code,
)
from common.neighbours.network_records import Network
from services.api.actions import start_action
from services.api.request import Request

_EXTERNAL = "network:attach_external_network"
_FIRST_LOOK_S, _LOOK_MOST_S = 0.02, 0.5
HOST_DOWN = "host_down"


@dataclass(frozen=True)
class Asked:
    """At most one of network and port."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


def asked(request: Request) -> Asked:
    """Raises `InvalidInput` for what contradicts itself."""
    body: dict[str, Any] = request.body.get("interfaceAttachment", {})
    network_id, port_id = body.get("net_id"), body.get("port_id")
    fixed_ip = next((each["ip_address"] for each in body.get("fixed_ips", ())), None)
    if network_id and port_id:
        raise InvalidInput("Must not input both network_id and port_id")
    if fixed_ip and not network_id:
        raise InvalidInput("Must input network_id when request IP address")
    return Asked(network_id, port_id, fixed_ip, body.get("tag"))


async def found(request: Request, asked: Asked) -> dict[str, Any]:
    """The workflow's input; raises the kind of refusal that fits."""
    if asked.port_id is not None:
        wanted = {"port_id": await _free_port(request, asked.port_id)}
    else:
        network = await _network(request, asked.network_id)
        wanted = {"net_id": network.id, "label": network.name}
    given = {"fixed_ip": asked.fixed_ip, "tag": asked.tag}
    return {**wanted, **{name: value for name, value in given.items() if value is not None}}


async def _free_port(request: Request, port_id: str) -> str:
    port = await request.app.network.port(port_id, token=request.ctx.token)
    server = request.server.server
    if port.project_id != server.project_id:
        raise InvalidInput(f"Port {port_id} not usable for instance {server.uuid}.")
    if port.device_id:
        raise Conflict(f"Port {port_id} is still in use.")
    return port_id


async def _network(request: Request, network_id: str | None) -> Network:
    """The one that is named, or the only one that the server's project can use."""
    client, token = request.app.network, request.ctx.token
    project_id = request.server.server.project_id
    if network_id is not None:
        for network in await client.networks(ids=[network_id], token=token):
            if network.external and not network.shared and not request.can(_EXTERNAL):
                raise Forbidden(
                    f"It is not allowed to create an interface on external network {network_id}"
                )
            return network
        raise NotFound(f"Network {network_id} could not be found.")
    own, shared = await asyncio.gather(
        client.networks(project_id=project_id, token=token),
        client.networks(shared=True, token=token),
    )
    usable = {each.id: each for each in [*own, *shared] if not each.external}
    if len(usable) > 1:
        raise InvalidInput(
            "More than one possible network found. Specify network ID(s) to select which one(s) to "
            "connect to."
        )
    for network in usable.values():
        return network
    raise InvalidInput(
        f"No specific network was requested and none are available for project '{project_id}'."
    )


async def attach(request: Request, state: dict[str, Any]) -> str:
    """Begin, wait for the end; the id of the port that was attached."""
    await start_action(request, ATTACH_INTERFACE, state)
    outcome = await _outcome(request)
    if (error := outcome.get("error")) is None:
        return str(outcome["port_id"])
    if error["code"] == HOST_DOWN:
        raise Unavailable(error["message"])
    if error["code"] == "overtaken":
        raise Conflict("The server is being deleted, or its state has been reset.")
    raise from_code(error["code"], error["message"])


async def _outcome(request: Request) -> dict[str, Any]:
    """What the action has ended with. Asked for again and again: the database is the truth, and no
    message about it can be lost."""
    app, uuid = request.app, request.server.server.uuid
    give_up_at = app.clock.monotonic() + app.settings.network.attach_answer_s
    pause_s = _FIRST_LOOK_S
    while True:
        outcome = await instance_actions.outcome(app.pool, uuid, request.ctx.request_id)
        if outcome is not None:
            return outcome
        if app.clock.monotonic() >= give_up_at:
            raise Timeout(f"The interface of instance {uuid} is still being attached.")
        await app.clock.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _LOOK_MOST_S)
