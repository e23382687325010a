"""What a server shows of its ports: the form of servers.network_info.

Owns: the keys. Conductors write it from what the network service gave, everybody else reads.
May not: be a copy of the network service's truth; it is what was true when it was written.
Crash story: none, types only.
"""

from __future__ import annotations

from typing import Any, TypedDict, cast


class FixedIp(TypedDict):
    address: str
    version: int
    """4 or 6."""
    floating: list[str]
    """Floating addresses that lead here."""


class Vif(TypedDict, total=False):
    """One port of a server."""

    port_id: str
    network_id: str
    label: str
    """The network's name, under which addresses are shown."""
    mac: str
    tag: str | None
    preserve_on_delete: bool
    """The user brought the port, so it outlives the server."""
    fixed_ips: list[FixedIp]


def vifs(network_info: list[dict[str, Any]]) -> list[Vif]:
    """The column's value as what it is."""
    return cast("list[Vif]", network_info)
