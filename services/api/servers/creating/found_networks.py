"""The networks, ports and security groups that a create request names, as the network service
knows them.

Owns: asking for them, as the caller, in as few calls as there are kinds of things, however many
of them are named. May not: decide; what is not there is left out.
Crash story: reads only. Asking for an automatic topology may make one, which the project keeps.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from common.errors import Conflict, InvalidInput, NotFound
from common.neighbours.network_records import Network, Port, SecurityGroup
from services.api.request import Request
from services.api.servers.creating.asked_networks import (
    AUTO,
    DEFAULT_GROUP,
    NONE,
    AskedNetwork,
    AskedNetworks,
)


@dataclass(frozen=True)
class FoundNetworks:
    ports: dict[str, Port] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    """Those named, or, when none is, those the project can use."""
    made_network_id: str | None = None
    """Of the topology made for a project that had none and asked for "auto"."""
    neighbours: dict[str, list[Port]] = field(default_factory=dict)
    """Ports that have a fixed address that is asked for."""


async def networks(request: Request, asked: AskedNetworks) -> FoundNetworks:
    """Raises `InvalidInput` when "auto" was asked for and cannot be had."""
    if asked == NONE:
        return FoundNetworks()
    if isinstance(asked, tuple):
        return await _named(request, asked)
    usable = await _usable(request)
    if usable or asked != AUTO:
        return FoundNetworks(networks=usable)
    return FoundNetworks(made_network_id=await _made(request))


async def _named(request: Request, asked: tuple[AskedNetwork, ...]) -> FoundNetworks:
    ports = await _ports(request, [each.port_id for each in asked if each.port_id])
    ids = {each.network_id for each in asked if each.network_id}
    ids |= {port.network_id for port in ports.values()}
    found, neighbours = await asyncio.gather(
        _by_id(request, sorted(ids)),
        _having(request, sorted({each.fixed_ip for each in asked if each.fixed_ip})),
    )
    return FoundNetworks(
        ports=ports,
        networks={network.id: network for network in found},
        neighbours=neighbours,
    )


async def _by_id(request: Request, ids: list[str]) -> list[Network]:
    return await request.app.network.networks(ids=ids, token=request.ctx.token) if ids else []


async def _having(request: Request, addresses: list[str]) -> dict[str, list[Port]]:
    """Of everybody, not only the caller's."""
    found = await request.app.network.ports(ip_addresses=addresses) if addresses else []
    return {
        address: [port for port in found if any(ip.ip_address == address for ip in port.fixed_ips)]
        for address in addresses
    }


async def _ports(request: Request, ids: list[str]) -> dict[str, Port]:
    if not ids:
        return {}
    found = await request.app.network.ports(ids=ids, token=request.ctx.token)
    return {port.id: port for port in found}


async def _usable(request: Request) -> dict[str, Network]:
    client, ctx = request.app.network, request.ctx
    own, shared = await asyncio.gather(
        client.networks(project_id=ctx.project_id, token=ctx.token),
        client.networks(shared=True, token=ctx.token),
    )
    return {network.id: network for network in [*own, *shared] if not network.external}


async def _made(request: Request) -> str:
    project_id = request.ctx.project_id
    try:
        return await request.app.network.auto_topology(project_id, token=request.ctx.token)
    except (Conflict, NotFound, InvalidInput) as error:
        raise InvalidInput(
            f"Unable to automatically allocate a network for project {project_id}"
        ) from error


async def security_groups(request: Request, names: tuple[str, ...]) -> list[SecurityGroup]:
    """Those of the project; none are asked for when the default group is all that is wanted."""
    if names == (DEFAULT_GROUP,):
        return []
    return await request.app.network.security_groups(
        project_id=request.ctx.project_id, token=request.ctx.token
    )
