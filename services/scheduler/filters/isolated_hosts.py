"""Isolated images run on isolated hosts, and (unless that is not restricted) nothing else does."""

from __future__ import annotations

from services.scheduler.hosts import Flags, Hosts, Request


def fits(hosts: Hosts, request: Request) -> Flags:
    settings = request.settings
    isolated = hosts.among(settings.isolated_hosts)
    if request.image_id in settings.isolated_images:
        return isolated
    return ~isolated if settings.restrict_isolated_hosts_to_isolated_images else hosts.everywhere()
