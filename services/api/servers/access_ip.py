"""The addresses by which a user says a server can be reached.

Owns: the form in which they are kept. May not: check them; the schemas have. Crash story: none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any


def shortest(address: str | None) -> str | None:
    """An IPv6 address as clients compare it: `::babe:dc0c:1602`, however it was written."""
    return str(ipaddress.IPv6Address(address)) if address else address


def columns(asked: Mapping[str, Any]) -> dict[str, str | None]:
    """The columns of those that `asked` sets."""
    found: dict[str, str | None] = {}
    if "accessIPv4" in asked:
        found["access_ip_v4"] = asked["accessIPv4"]
    if "accessIPv6" in asked:
        found["access_ip_v6"] = shortest(asked["accessIPv6"])
    return found
