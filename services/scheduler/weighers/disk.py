"""Prefers hosts with much free disk."""

from __future__ import annotations

from services.scheduler.hosts import DISK_GIB, Floats, Hosts


def weigh(hosts: Hosts) -> Floats:
    return hosts.free(DISK_GIB)
