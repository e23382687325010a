"""Hint same_host: hosts with at least one of the servers named; if none has a host, nobody."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def has_one_of_them(hosts: Hosts, request: Request) -> Flags:
    if request.same_hosts is None:
        return hosts.everywhere()
    return hosts.among(request.same_hosts)
