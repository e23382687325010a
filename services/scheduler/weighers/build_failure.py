"""Prefers hosts where few builds have failed since the last one that succeeded."""

from __future__ import annotations

from services.scheduler.hosts import Floats, Hosts, Request


def weigh(hosts: Hosts, request: Request) -> Floats:  # noqa: ARG001
    return -hosts.failed_builds.astype(float)
