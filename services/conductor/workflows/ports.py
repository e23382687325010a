"""Ports of a server in the network service.

Owns: making, binding and giving back ports, and `network_info`, what the server shows of them.
May not: touch a port that does not name the server. Crash story: a repeated step first looks for
the ports that name the server.
"""

from __future__ import annotations

import asyncio
from typing import Any

from common.domain.server import Server
from common.errors import NotFound
from common.neighbours.network import NetworkClient, Port, PortRequest
from services.conductor.engine.context import Context


def _owner(server: Server) -> str:
    zone = server.availability_zone or "nova"
    return f"compute:{zone}"


async def plug(context: Context, host: str) -> list[dict[str, Any]]:
    """Ports for every requested network, bound to `host`; returns the new network_info."""
    server, network = context.server, context.deps.network
    requested = server.requested_networks
    if not isinstance(requested, list) or not requested:
        return []
    present: list[Port] = []
    if context.resumed or context.workflow.attempt:
        present = await network.ports(device_id=str(server.uuid))
    created = [port for port in present if port.id not in _user_ports(requested)]
    labels = await _labels(network, requested)
    to_create = [
        _port_request(server, want, host, context.state.get("security_group_ids"))
        for want in requested
        if not want.get("port")
    ]
    if len(created) < len(to_create):
        made = await network.create_ports(to_create[len(created) :])
        created += made
    for port in created:
        if port.host_id != host:
            await network.update_port(port.id, host_id=host)
    fresh = iter(created)
    vifs = []
    for want in requested:
        if want.get("port"):
            port = await network.update_port(
                want["port"],
                device_id=str(server.uuid),
                device_owner=_owner(server),
                host_id=host,
            )
        else:
            port = next(fresh)
        vifs.append(_vif(port, labels, want))
    return vifs


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
    server: Server, want: dict[str, Any], host: str, security_group_ids: list[str] | None
) -> PortRequest:
    return PortRequest(
        network_id=want["uuid"],
        project_id=server.project_id,
        device_id=str(server.uuid),
        device_owner=_owner(server),
        host_id=host,
        fixed_ip=want.get("fixed_ip"),
        security_group_ids=security_group_ids,
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
