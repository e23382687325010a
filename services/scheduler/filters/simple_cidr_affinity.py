"""Hints build_near_host_ip and cidr: hosts with an address in that network, by default of 24 bits.

An address or a prefix that is none is near nobody.
"""

from __future__ import annotations

import ipaddress

import numpy as np

from services.scheduler.hosts import Flags, Hosts, Request

_ADDRESS, _PREFIX = "build_near_host_ip", "cidr"


def asked(request: Request) -> bool:
    return bool(request.hints.get(_ADDRESS))


def is_near(hosts: Hosts, request: Request) -> Flags:
    if not asked(request):
        return hosts.everywhere()
    prefix = str(request.hints.get(_PREFIX) or "/24")
    try:
        network = ipaddress.ip_network(f"{request.hints[_ADDRESS]}{prefix}", strict=False)
    except ValueError:
        return ~hosts.everywhere()
    return np.array([_is_in(address, network) for address in hosts.addresses], dtype=np.bool_)


def _is_in(address: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False
