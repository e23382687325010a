"""Metadata of the host's aggregates do not contradict properties of the image with the same name.

With a namespace only metadata that begin with it count, namespace and all.
"""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def admits(hosts: Hosts, request: Request) -> Flags:
    prefix = request.settings.aggregate_image_properties_isolation_namespace or ""
    if prefix:
        prefix += request.settings.aggregate_image_properties_isolation_separator
    flags = hosts.everywhere()
    for name, value in request.image_properties.items():
        if value is not None and name.startswith(prefix):
            flags &= _allows(hosts, name, str(value))
    return flags


def _allows(hosts: Hosts, key: str, value: str) -> Flags:
    """Hosts without that key, and those whose aggregates have the value among theirs."""
    return ~hosts.in_aggregates(lambda metadata: key in metadata) | hosts.in_aggregates(
        lambda metadata: value in metadata.get(key, ())
    )
