"""Prefers hosts with much free memory."""

from __future__ import annotations

from services.scheduler.hosts import MEMORY_MIB, Floats, Hosts, Request


def weigh(hosts: Hosts, request: Request) -> Floats:  # noqa: ARG001
    return hosts.free(MEMORY_MIB)
