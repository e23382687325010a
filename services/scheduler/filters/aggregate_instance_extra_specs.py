"""Extra specs `aggregate_instance_extra_specs:<key>`, and those without a scope: one of the host's
aggregates has that metadata with a value that fits."""

from __future__ import annotations

from collections.abc import Mapping

from services.scheduler.hosts import Flags, Hosts, Request
from services.scheduler.operators import match

_SCOPE = "aggregate_instance_extra_specs"


def has(hosts: Hosts, request: Request) -> Flags:
    flags = hosts.everywhere()
    for name, wanted in request.extra_specs.items():
        scope, colon, key = name.partition(":")
        if colon and scope != _SCOPE:
            continue
        flags &= _with(hosts, key if colon else name, wanted)
    return flags


def _with(hosts: Hosts, key: str, wanted: str) -> Flags:
    def fits(metadata: Mapping[str, frozenset[str]]) -> bool:
        return any(match(value, wanted) for value in metadata.get(key, ()))

    return hosts.in_aggregates(fits)
