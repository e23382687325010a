"""Group policy affinity: the host that has all other members; without any, every host.

While a member moves it may end on either of two hosts, so that nobody else can join or move.
"""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def has_all(hosts: Hosts, request: Request) -> Flags:
    group = request.group
    if group is None or group.policy != "affinity" or not group.others:
        return hosts.everywhere()
    return hosts.among(group.others if len(group.others) == 1 else ())
