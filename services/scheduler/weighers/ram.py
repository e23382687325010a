"""Prefers hosts with much free memory."""

from __future__ import annotations

from services.scheduler.hosts import MEMORY_MIB, Floats, Hosts


def weigh(hosts: Hosts) -> Floats:
    return hosts.free(MEMORY_MIB)
