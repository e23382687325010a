"""What networks look like to clients of the oldest versions.

The fields are those of networks that the compute service kept itself once; what a network of the
network service does not have is null.
"""

from __future__ import annotations

from typing import Any

from common.neighbours.network_records import Network

_FIELDS = (
    "bridge", "bridge_interface", "broadcast", "cidr", "cidr_v6", "created_at", "deleted",
    "deleted_at", "dhcp_server", "dhcp_start", "dns1", "dns2", "enable_dhcp", "gateway",
    "gateway_v6", "host", "injected", "mtu", "multi_host", "netmask", "netmask_v6", "priority",
    "project_id", "rxtx_base", "share_address", "updated_at", "vlan", "vpn_private_address",
    "vpn_public_address", "vpn_public_port",
)  # fmt: skip


def render(network: Network) -> dict[str, Any]:
    """An entry of os-networks."""
    return {**dict.fromkeys(_FIELDS), "id": network.id, "label": network.name}


def render_tenant(network: Network) -> dict[str, Any]:
    """An entry of os-tenant-networks. A network has no block of its own, its subnets have."""
    return {"id": network.id, "cidr": "None", "label": network.name}
