"""Hosts whose compute service works, as two reasons: it is down, or somebody disabled it."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def alive(hosts: Hosts, request: Request) -> Flags:  # noqa: ARG001 - the shape of a filter
    return hosts.alive


def enabled(hosts: Hosts, request: Request) -> Flags:  # noqa: ARG001
    return hosts.enabled
