"""Prefers hosts with much free vCPUs."""

from __future__ import annotations

from services.scheduler.hosts import VCPUS, Floats, Hosts


def weigh(hosts: Hosts) -> Floats:
    return hosts.free(VCPUS)
