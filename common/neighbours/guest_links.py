"""The links of a guest as the network service knows them now.

Owns: which ports, networks and subnets are asked for. May not: cache, or change anything.
Crash story: none; reads only.
"""

from __future__ import annotations

import asyncio

from common.domain import guest_data
from common.domain.guest_data.facts import Address, Link
from common.domain.network_info import vifs
from common.domain.server import Server
from common.neighbours.network import NetworkClient
from common.neighbours.network_records import Port, Subnet


async def guest_links(network: NetworkClient, server: Server) -> list[Link]:
    """In the order in which the server has its ports; those it does not show yet come last."""
    ports = await network.ports_of(server)
    if not ports:
        return []
    subnet_ids = sorted({ip.subnet_id for port in ports for ip in port.fixed_ips if ip.subnet_id})
    network_ids = sorted({port.network_id for port in ports})
    subnets, networks = await asyncio.gather(
        _subnets(network, subnet_ids), network.networks(ids=network_ids)
    )
    mtus = {each.id: each.mtu for each in networks}
    places = {vif["port_id"]: place for place, vif in enumerate(vifs(server.network_info))}
    ordered = sorted(ports, key=lambda port: (places.get(port.id, len(places)), port.id))
    return [_link(port, subnets, mtus.get(port.network_id)) for port in ordered]


async def _subnets(network: NetworkClient, ids: list[str]) -> dict[str, Subnet]:
    return {subnet.id: subnet for subnet in await network.subnets(ids)} if ids else {}


def _link(port: Port, subnets: dict[str, Subnet], mtu: int | None) -> Link:
    return Link(
        port_id=port.id,
        network_id=port.network_id,
        mac=port.mac_address,
        vif_type=port.vif_type,
        mtu=mtu,
        addresses=tuple(
            Address(ip.ip_address, _subnet(subnets.get(ip.subnet_id or "")))
            for ip in port.fixed_ips
        ),
    )


def _subnet(subnet: Subnet | None) -> guest_data.facts.Subnet | None:
    if subnet is None:
        return None
    return guest_data.facts.Subnet(
        cidr=subnet.cidr,
        gateway=subnet.gateway_ip,
        dhcp=subnet.enable_dhcp,
        ipv6_mode=subnet.ipv6_address_mode,
        dns=subnet.dns_nameservers,
        routes=subnet.host_routes,
    )
