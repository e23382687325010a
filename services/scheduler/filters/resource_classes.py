"""Nobody, when something is asked for that no host here offers (common/domain/requested.py)."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def offers(hosts: Hosts, request: Request) -> Flags:
    return ~hosts.everywhere() if request.requested.others else hosts.everywhere()
