"""A security group rule in the words of the Compute API, as the network service wants it.

Owns: reading protocol, ports and peer, and the refusals about them. May not: do I/O.
Crash story: none, pure functions.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from common.errors import InvalidInput
from common.neighbours.network_records import SecurityGroupRule

_PROTOCOLS = frozenset({"tcp", "udp", "icmp"})
_PORTS = {"tcp": (1, 65535), "udp": (1, 65535), "icmp": (-1, 255)}
_EVERYWHERE = "0.0.0.0/0"


def asked(rule: dict[str, Any]) -> dict[str, Any]:
    """Fields of the rule to make; raises `InvalidInput`."""
    peer_group = rule.get("group_id")
    cidr = None if peer_group else _cidr(rule.get("cidr"))
    made: dict[str, Any] = {
        "security_group_id": rule["parent_group_id"],
        "direction": "ingress",
        "ethertype": "IPv6" if cidr and ":" in cidr else "IPv4",
        "remote_group_id": peer_group,
        "remote_ip_prefix": cidr,
    }
    given = [rule.get(name) for name in ("ip_protocol", "from_port", "to_port")]
    if all(value is None for value in given) and peer_group:
        protocol, low, high = None, None, None
    elif any(value is None for value in given):
        raise InvalidInput("Not enough parameters to build a valid rule.")
    else:
        protocol, low, high = _traffic(*given)
    made |= {"protocol": protocol, "port_range_min": low, "port_range_max": high}
    return {name: value for name, value in made.items() if value is not None}


def _cidr(text: Any) -> str:
    """As it was written, host bits and all: clients compare it. An absent one is everywhere, a
    lone address is a block of itself."""
    if text is None or text == "":
        return _EVERYWHERE
    try:
        block = ipaddress.ip_network(str(text), strict=False)
    except ValueError as error:
        raise InvalidInput(f"Invalid cidr {text}.") from error
    return str(text) if "/" in str(text) else str(block)


def _traffic(protocol: Any, low: Any, high: Any) -> tuple[str, int | None, int | None]:
    name = str(protocol).lower()
    if name not in _PROTOCOLS:
        raise InvalidInput(f"Invalid IP protocol {protocol}.")
    try:
        first, last = int(low), int(high)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"Invalid port range {low}:{high}. Ports are integers.") from error
    least, most = _PORTS[name]
    if name != "icmp" and first > last:
        raise InvalidInput(
            f"Invalid port range {low}:{high}. Former value cannot be greater than the later"
        )
    if first < least or last > most:
        raise InvalidInput(f"Invalid port range {low}:{high}. Valid ports are {least} to {most}.")
    return name, None if first == -1 else first, None if last == -1 else last


def same(made: dict[str, Any], rule: SecurityGroupRule) -> bool:
    """Whether the rule is there already."""
    names = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max",
             "remote_group_id", "remote_ip_prefix")  # fmt: skip
    return all(made.get(name) == getattr(rule, name) for name in names)
