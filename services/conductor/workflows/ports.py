"""Ports of a server in the network service.

Owns: making, binding and giving back ports, and `network_info`, what the server shows of them.
May not: touch a port that does not name the server. Crash story: a port that Muster makes says in
its binding profile which of the requested networks it is for, so a repeated step finds each again
and removes doubles. What a run without its lease made too late is left to the reconciler, which
makes the network service agree with the server (`settle`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from common.db.stores.commit import Leftover
from common.domain.server import Server
from common.errors import NotFound
from common.neighbours.network import NetworkClient, Port, PortRequest
from services.conductor.engine.context import Context

_PLACE = "muster_request"
"""Key of a port's binding profile (visible to administrators only): its place in the request."""


def _owner(server: Server) -> str:
    zone = server.availability_zone or "nova"
    return f"compute:{zone}"


async def plug(context: Context, host: str) -> list[dict[str, Any]]:
    """Ports for every requested network, bound to `host`; returns the new network_info."""
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
        [_port_request(server, requested[place], place, host, groups) for place in places]
    )
    made |= dict(zip(places, created, strict=True))
    vifs = []
    for place, want in enumerate(requested):
        if want.get("port"):
            port = await network.update_port(
                want["port"],
                device_id=str(server.uuid),
                device_owner=_owner(server),
                host_id=host,
            )
        else:
            port = made[place]
            if port.host_id != host:
                port = await network.update_port(port.id, host_id=host)
        vifs.append(_vif(port, labels, want))
    return vifs


async def _made_before(context: Context) -> dict[int, Port]:
    """Ports of earlier attempts by their place; of doubles the one with the lowest id stays."""
    server, network = context.server, context.deps.network
    brought = _user_ports(server.requested_networks)
    ports = await network.ports(device_id=str(server.uuid))
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
    brought = _user_ports(requested) | {
        vif["port_id"] for vif in server.network_info if vif.get("preserve_on_delete")
    }
    ports = await network.ports(device_id=str(server.uuid))
    context.lease.check()  # they may be another run's by now
    await asyncio.gather(
        *(
            _unbind(network, port.id) if port.id in brought else network.delete_port(port.id)
            for port in ports
        )
    )


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


async def settle(network: NetworkClient, server: Server) -> None:
    """Make the network service agree with a server at rest: its ports are those it shows, bound to
    its host; a deleted one has none."""
    shown = {vif["port_id"] for vif in server.network_info} if server.deleted_at is None else set()
    brought = _user_ports(server.requested_networks) | {
        vif["port_id"] for vif in server.network_info if vif.get("preserve_on_delete")
    }
    for port in await network.ports(device_id=str(server.uuid)):
        if port.id in shown:
            if port.host_id != (server.host or ""):
                await network.update_port(port.id, host_id=server.host or "")
        elif port.id in brought:
            await _unbind(network, port.id)
        else:
            await network.delete_port(port.id)


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


def _port_request(
    server: Server,
    want: dict[str, Any],
    place: int,
    host: str,
    security_group_ids: list[str] | None,
) -> PortRequest:
    return PortRequest(
        network_id=want["uuid"],
        project_id=server.project_id,
        device_id=str(server.uuid),
        device_owner=_owner(server),
        host_id=host,
        fixed_ip=want.get("fixed_ip"),
        security_group_ids=security_group_ids,
        profile={_PLACE: place},
    )


def _vif(port: Port, labels: dict[str, str], want: dict[str, Any]) -> dict[str, Any]:
    return {
        "port_id": port.id,
        "network_id": port.network_id,
        "label": labels.get(port.network_id) or want.get("label") or port.network_id,
        "mac": port.mac_address,
        "tag": want.get("tag"),
        "preserve_on_delete": bool(want.get("port")),
        "fixed_ips": [
            {
                "address": ip.ip_address,
                "version": 6 if ":" in ip.ip_address else 4,
                "floating": [],
            }
            for ip in port.fixed_ips
        ],
    }
