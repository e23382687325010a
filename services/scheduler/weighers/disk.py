"""Prefers hosts with much free disk."""

from __future__ import annotations

from services.scheduler.hosts import DISK_GIB, Floats, Hosts, Request


def weigh(hosts: Hosts, request: Request) -> Floats:  # noqa: ARG001
    return hosts.free(DISK_GIB)
