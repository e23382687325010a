"""Hosts with enough disk left."""

from __future__ import annotations

from services.scheduler.hosts import DISK_GIB, Flags, Hosts, Request


def fits(hosts: Hosts, request: Request) -> Flags:
    return hosts.fits(DISK_GIB, request.amounts[DISK_GIB])
