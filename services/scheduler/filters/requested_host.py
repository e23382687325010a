"""Only the host that was named: forced (no other filters) or requested (filters hold)."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def is_forced(hosts: Hosts, request: Request) -> Flags:
    return _only(hosts, request.force_host)


def is_requested(hosts: Hosts, request: Request) -> Flags:
    return _only(hosts, request.requested_host)


def _only(hosts: Hosts, name: str | None) -> Flags:
    if name is None:
        return hosts.everywhere()
    return hosts.among([name])
