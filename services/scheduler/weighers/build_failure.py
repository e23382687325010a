"""Prefers hosts where few builds have failed since the last one that succeeded."""

from __future__ import annotations

from services.scheduler.hosts import Floats, Hosts


def weigh(hosts: Hosts) -> Floats:
    return -hosts.failed_builds.astype(float)
