"""Aggregates with instance_type metadata are for the flavors whose names are listed there."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request

_KEY = "instance_type"


def admits(hosts: Hosts, request: Request) -> Flags:
    return ~hosts.in_aggregates(lambda metadata: _KEY in metadata) | hosts.in_aggregates(
        lambda metadata: request.flavor_name in metadata.get(_KEY, ())
    )
