"""Prefers hosts with newer hypervisors."""

from __future__ import annotations

from services.scheduler.hosts import Floats, Hosts, Request


def weigh(hosts: Hosts, request: Request) -> Floats:  # noqa: ARG001
    return hosts.hypervisor_versions.astype(float)
