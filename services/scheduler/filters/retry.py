"""Hosts that have not failed this request already, and are not the source of the move.

Also holds for a forced host: choosing again what has just failed would only fail again.
"""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def not_tried(hosts: Hosts, request: Request) -> Flags:
    return ~hosts.among(request.exclude_hosts)
