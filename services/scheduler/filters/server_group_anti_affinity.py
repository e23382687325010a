"""Group policy anti-affinity: hosts with fewer than max_server_per_host other members."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def has_few(hosts: Hosts, request: Request) -> Flags:
    group = request.group
    if group is None or group.policy != "anti-affinity":
        return hosts.everywhere()
    full = (host for host, members in group.others.items() if members >= group.max_per_host)
    return ~hosts.among(full)
