"""How many servers there are; a positive multiplier packs them, a negative one spreads them."""

from __future__ import annotations

from services.scheduler.hosts import Floats, Hosts, Request


def weigh(hosts: Hosts, request: Request) -> Floats:  # noqa: ARG001
    return hosts.servers.astype(float)
