"""Ports of a server in the network service.

Owns: making, binding and giving back ports, and `network_info`, what the server shows of them.
May not: touch a port that does not name the server. Crash story: a port that Muster makes says in
its binding profile what it is for (which of the requested networks, or which attachment), so a
repeated step finds each again and removes doubles. What a run without its lease made too late is
left to the reconciler, which makes the network service agree with the server (`settle`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from common.db.stores.commit import Leftover
from common.domain.network_info import Vif
from common.domain.server import Server
from common.errors import HostCommandFailed, NotFound
from common.neighbours.network import NetworkClient
from common.neighbours.network_records import Port, PortRequest
from services.conductor.engine.context import Context

ACTIVE = "ACTIVE"
"""Status of a port that carries traffic."""
_PLACE = "muster_request"
"""Key of a port's binding profile (visible to administrators only): its place in the request."""
ATTACHMENT = "muster_attachment"
"""The same for one that was made for a server that exists: the workflow that has made it."""


def is_own(port: Port) -> bool:
    """Whether Muster has made it; else a user has brought it, and it outlives the server."""
    return _PLACE in port.profile or ATTACHMENT in port.profile


def owner(server: Server) -> str:
    zone = server.availability_zone or "nova"
    return f"compute:{zone}"


def bound(port: Port, host: str) -> Port:
    """Raises `HostCommandFailed` when the network service could not bind it there."""
    if port.vif_type == "binding_failed":
        raise HostCommandFailed(f"Binding failed for port {port.id} on host {host}")
    return port


async def plug(context: Context, host: str) -> list[dict[str, Any]]:
    """Ports for every requested network, bound to `host`; returns the new network_info. Which of
    them do not carry traffic yet is noted for `plugged`."""
    server, network = context.server, context.deps.network
    requested = server.requested_networks
    if not isinstance(requested, list) or not requested:
        return []
    made: dict[int, Port] = {}
    if context.resumed or context.workflow.attempt:
        made = await _made_before(context)
    labels = await _labels(network, requested)
    groups = context.state.get("security_group_ids")
    places = [
        place for place, want in enumerate(requested) if not want.get("port") and place not in made
    ]
    created = await network.create_ports(
        [
            request(
                server,
                requested[place],
                host,
                profile={_PLACE: place},
                security_group_ids=groups,
            )
            for place in places
        ]
    )
    made |= dict(zip(places, created, strict=True))
    ports = []
    for place, want in enumerate(requested):
        if want.get("port"):
            port = await network.update_port(
                want["port"],
                device_id=str(server.uuid),
                device_owner=owner(server),
                host_id=host,
            )
        else:
            port = made[place]
            if port.host_id != host:
                port = await network.update_port(port.id, host_id=host)
        ports.append(bound(port, host))
    context.state["unplugged"] = [port.id for port in ports if port.status != ACTIVE]
    context.change_server(security_groups=await _group_names(context, ports))
    return [_requested_vif(*each, labels) for each in zip(ports, requested, strict=True)]


async def _group_names(context: Context, ports: Sequence[Port]) -> list[str]:
    """The groups that the server shows, once for each of its ports. Only those of ports that the
    user has brought have to be asked for: the request has named the others."""
    # Kept apart: the column is what is shown, and this may be the second host that is tried.
    asked = context.state.setdefault("security_group_names", context.server.security_groups)
    names: dict[str, str] = {}
    if brought := [port for port in ports if not is_own(port)]:
        ids = {group_id for port in brought for group_id in port.security_group_ids}
        names = await context.deps.network.security_group_names(sorted(ids))
    shown: list[str] = []
    for port in ports:
        if is_own(port):
            shown += asked if port.security_group_ids else []
        else:
            shown += [names.get(group_id, group_id) for group_id in port.security_group_ids]
    return shown


async def _made_before(context: Context) -> dict[int, Port]:
    """Ports of earlier attempts by their place; of doubles the one with the lowest id stays."""
    server, network = context.server, context.deps.network
    brought = _user_ports(server.requested_networks)
    ports = await network.ports_of(server)
    made: dict[int, Port] = {}
    surplus: list[Port] = []
    for port in sorted(ports, key=lambda port: port.id):
        place = port.profile.get(_PLACE)
        if port.id in brought or place is None:
            continue
        if place in made:
            surplus.append(port)
        else:
            made[place] = port
    context.lease.check()
    await asyncio.gather(*(network.delete_port(port.id) for port in surplus))
    return made


async def unplug(context: Context) -> None:
    """Delete the ports that were made for the server, unbind those that users brought."""
    server, network = context.server, context.deps.network
    requested = server.requested_networks
    if not server.network_info and not (isinstance(requested, list) and requested):
        return
    ports = await network.ports_of(server)
    context.lease.check()  # they may be another run's by now
    await asyncio.gather(*(give_back(network, port) for port in ports))


async def give_back(network: NetworkClient, port: Port) -> None:
    """Delete it, or unbind it if the user has brought it."""
    if is_own(port):
        await network.delete_port(port.id)
    else:
        await _unbind(network, port.id)


async def rebind(context: Context, host: str) -> None:
    """Bind the ports the server has to another host; a port that is gone stays gone."""
    network = context.deps.network

    async def bind(port_id: str) -> None:
        try:
            await network.update_port(port_id, host_id=host)
        except NotFound:
            return

    await asyncio.gather(*(bind(vif["port_id"]) for vif in context.server.network_info))


def left(_context: Context) -> list[Leftover]:
    """For `Step.left`: ports that are too many, or bound to another host than the server's."""
    return [Leftover("ports", {}, "")]


async def settle(network: NetworkClient, server: Server, found: Sequence[Port]) -> None:
    """Make the network service agree with a server at rest: its ports are those it shows, bound to
    its host; a deleted one has none. `found` are the ports it had before it was known to be."""
    shown = {vif["port_id"] for vif in server.network_info} if server.deleted_at is None else set()
    for port in found:
        if port.id in shown:
            if port.host_id != (server.host or ""):
                await network.update_port(port.id, host_id=server.host or "")
        else:
            await give_back(network, port)


async def _unbind(network: NetworkClient, port_id: str) -> None:
    try:
        await network.update_port(port_id, device_id="", device_owner="", host_id="")
    except NotFound:
        return


def _user_ports(requested: Any) -> set[str]:
    wanted = requested if isinstance(requested, list) else []
    return {want["port"] for want in wanted if want.get("port")}


async def _labels(network: NetworkClient, requested: list[dict[str, Any]]) -> dict[str, str]:
    """Names of the networks, from the request where it has them."""
    labels = {want["uuid"]: want["label"] for want in requested if want.get("label")}
    missing = {w["uuid"] for w in requested if w.get("uuid")} - set(labels)
    if missing:
        labels |= {n.id: n.name for n in await network.networks(ids=sorted(missing))}
    return labels


def request(
    server: Server,
    want: dict[str, Any],
    host: str,
    *,
    profile: dict[str, Any],
    security_group_ids: list[str] | None = None,
) -> PortRequest:
    """A port of the server on the network `want["uuid"]`, bound to `host`."""
    return PortRequest(
        network_id=want["uuid"],
        project_id=server.project_id,
        device_id=str(server.uuid),
        device_owner=owner(server),
        host_id=host,
        fixed_ip=want.get("fixed_ip"),
        security_group_ids=security_group_ids,
        profile=profile,
    )


def _requested_vif(port: Port, want: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    label = labels.get(port.network_id) or want.get("label") or port.network_id
    return vif(port, label=label, tag=want.get("tag"))


def vif(
    port: Port,
    *,
    label: str,
    tag: str | None,
    floating: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, Any]:
    """What a server shows of a port. `floating`: by the fixed address they lead to."""
    shown: Vif = {
        "port_id": port.id,
        "network_id": port.network_id,
        "label": label,
        "mac": port.mac_address,
        "tag": tag,
        "preserve_on_delete": not is_own(port),
        "fixed_ips": [
            {
                "address": ip.ip_address,
                "version": 6 if ":" in ip.ip_address else 4,
                "floating": list(floating.get(ip.ip_address, ())),
            }
            for ip in port.fixed_ips
        ],
    }
    return dict(shown)
