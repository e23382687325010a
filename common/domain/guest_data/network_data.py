"""network_data.json: links, the networks on them, and name servers.

Owns: the form. May not: invent an address: what DHCP or router advertisements give is named so.
Crash story: none; pure functions.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from common.domain.guest_data.facts import Address, Link, Subnet

_PHYSICAL = "phy"
_NAMED_VIFS = frozenset(
    {"bridge", "ethernet", "hw_veb", "hyperv", "ovs", "tap", "vhostuser", "vif"}
)
"""Kinds of connection that are said as they are; every other one is physical to the guest."""
_DEVICE_NAME_LENGTH = 14
"""Of a tap device: what a kernel takes."""


def network_data(links: Sequence[Link]) -> dict[str, Any]:
    """The whole document."""
    networks: list[dict[str, Any]] = []
    for link in links:
        for address in link.addresses:
            if address.subnet is not None:
                networks.append(_network(f"network{len(networks)}", link, address, address.subnet))
    return {
        "links": [_link(link) for link in links],
        "networks": networks,
        "services": _services(
            server
            for link in links
            for address in link.addresses
            if address.subnet
            for server in address.subnet.dns
        ),
    }


def _link_id(link: Link) -> str:
    return f"tap{link.port_id}"[:_DEVICE_NAME_LENGTH]


def _link(link: Link) -> dict[str, Any]:
    return {
        "id": _link_id(link),
        "vif_id": link.port_id,
        "type": link.vif_type if link.vif_type in _NAMED_VIFS else _PHYSICAL,
        "mtu": link.mtu,
        "ethernet_mac_address": link.mac,
    }


def _network(name: str, link: Link, address: Address, subnet: Subnet) -> dict[str, Any]:
    block = ipaddress.ip_network(subnet.cidr, strict=False)
    said = {"id": name, "link": _link_id(link), "network_id": link.network_id}
    if subnet.ipv6_mode is None and subnet.dhcp:
        return {**said, "type": f"ipv{block.version}_dhcp"}
    mode = f"_{subnet.ipv6_mode}" if subnet.ipv6_mode else ""
    return {
        **said,
        "type": f"ipv{block.version}{mode}",
        "ip_address": address.address,
        "netmask": str(block.netmask),
        "routes": [*_default_route(block.version, subnet), *_routes(subnet)],
        "services": _services(subnet.dns),
    }


def _default_route(version: int, subnet: Subnet) -> list[dict[str, str]]:
    if subnet.gateway is None:
        return []
    nothing = "0.0.0.0" if version == 4 else "::"  # noqa: S104 - a route, not a listener
    return [{"network": nothing, "netmask": nothing, "gateway": subnet.gateway}]


def _routes(subnet: Subnet) -> list[dict[str, str]]:
    found = []
    for destination, gateway in subnet.routes:
        block = ipaddress.ip_network(destination, strict=False)
        found.append(
            {
                "network": str(block.network_address),
                "netmask": str(block.netmask),
                "gateway": gateway,
            }
        )
    return found


def _services(servers: Iterable[str]) -> list[dict[str, str]]:
    """Name servers, each once, in order."""
    return [{"type": "dns", "address": server} for server in dict.fromkeys(servers)]
