"""Hosts with enough memory left."""

from __future__ import annotations

from services.scheduler.hosts import MEMORY_MIB, Flags, Hosts, Request


def fits(hosts: Hosts, request: Request) -> Flags:
    return hosts.fits(MEMORY_MIB, request.amounts[MEMORY_MIB])
