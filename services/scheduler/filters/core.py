"""Hosts with enough vCPUs left."""

from __future__ import annotations

from services.scheduler.hosts import VCPUS, Flags, Hosts, Request


def fits(hosts: Hosts, request: Request) -> Flags:
    return hosts.fits(VCPUS, request.amounts[VCPUS])
