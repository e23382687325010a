"""Hosts of the zone that was asked for; without one, all."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def in_zone(hosts: Hosts, request: Request) -> Flags:
    if request.availability_zone is None:
        return hosts.everywhere()
    passing: Flags = hosts.zones == request.availability_zone
    return passing
