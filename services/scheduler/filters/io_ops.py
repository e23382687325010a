"""Hosts with fewer operations under way than max_io_ops_per_host: that of the settings, or of their
aggregates."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request

_KEY = "max_io_ops_per_host"


def has_few(hosts: Hosts, request: Request) -> Flags:
    flags: Flags = hosts.busy < request.settings.max_io_ops_per_host
    return flags


def has_few_for_its_aggregates(hosts: Hosts, request: Request) -> Flags:
    flags: Flags = hosts.busy < hosts.least(_KEY, request.settings.max_io_ops_per_host)
    return flags
