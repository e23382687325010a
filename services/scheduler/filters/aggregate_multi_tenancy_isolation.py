"""Aggregates with filter_tenant_id* metadata are for the projects listed there."""

from __future__ import annotations

from collections.abc import Mapping

from services.scheduler.hosts import Flags, Hosts, Request

_PREFIX = "filter_tenant_id"


def admits(hosts: Hosts, request: Request) -> Flags:
    def is_reserved(metadata: Mapping[str, frozenset[str]]) -> bool:
        return any(key.startswith(_PREFIX) for key in metadata)

    def lists_it(metadata: Mapping[str, frozenset[str]]) -> bool:
        return any(
            key.startswith(_PREFIX) and request.project_id in projects
            for key, projects in metadata.items()
        )

    return ~hosts.in_aggregates(is_reserved) | hosts.in_aggregates(lists_it)
