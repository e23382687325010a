"""Hint different_host: hosts with none of the servers named."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def has_none_of_them(hosts: Hosts, request: Request) -> Flags:
    return ~hosts.among(request.different_hosts)
