"""Hosts with the traits that the flavor or the image requires, and without those it forbids.

Hosts that are disabled have a trait that says so; ComputeFilter removes them anyway.
"""

from __future__ import annotations

from common.domain.traits import traits_of
from services.scheduler.hosts import Flags, Hosts, Kind, Request


def asked(request: Request) -> bool:
    return bool(request.requested.required or request.requested.forbidden)


def has(hosts: Hosts, request: Request) -> Flags:
    if not asked(request):
        return hosts.everywhere()
    wanted = request.requested

    def accepts(kind: Kind) -> bool:
        traits = traits_of(kind.cpu_info.get("arch"))
        return wanted.required <= traits and not wanted.forbidden & traits

    return hosts.of_kinds(accepts)
