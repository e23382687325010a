"""Prefers hosts with much free vCPUs."""

from __future__ import annotations

from services.scheduler.hosts import VCPUS, Floats, Hosts, Request


def weigh(hosts: Hosts, request: Request) -> Floats:  # noqa: ARG001
    return hosts.free(VCPUS)
