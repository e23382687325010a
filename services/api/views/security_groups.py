"""What security groups look like to clients of the Compute API.

The Compute API has ingress rules only, and says "everything" where the network service says
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.neighbours.network_records import SecurityGroup, SecurityGroupRule

_EVERYTHING = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
_ALL_PORTS = {"icmp": (-1, -1), "tcp": (1, 65535), "udp": (1, 65535)}


def render(group: SecurityGroup, remote: Mapping[str, SecurityGroup]) -> dict[str, Any]:
    """`remote` has the groups that rules refer to, by id."""
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "tenant_id": group.project_id,
        "rules": [render_rule(rule, remote) for rule in group.rules if rule.direction == "ingress"],
    }


def render_rule(rule: SecurityGroupRule, remote: Mapping[str, SecurityGroup]) -> dict[str, Any]:
    ports = rule.port_range_min, rule.port_range_max
    if rule.port_range_min is None:
        ports = _ALL_PORTS.get((rule.protocol or "").lower(), ports)
    peer, ip_range = {}, {}
    if rule.remote_group_id is None:
        ip_range = {"cidr": rule.remote_ip_prefix or _EVERYTHING[rule.ethertype]}
    elif group := remote.get(rule.remote_group_id):
        peer = {"name": group.name, "tenant_id": group.project_id}
    return {
        "id": rule.id,
        "parent_group_id": rule.security_group_id,
        "ip_protocol": rule.protocol,
        "from_port": ports[0],
        "to_port": ports[1],
        "group": peer,
        "ip_range": ip_range,
    }
