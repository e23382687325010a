"""Only the host that was named: forced (no other filters) or requested (filters hold)."""

from __future__ import annotations

import numpy as np

from services.scheduler.hosts import Flags, Hosts, Request


def is_forced(hosts: Hosts, request: Request) -> Flags:
    return _only(hosts, request.force_host)


def is_requested(hosts: Hosts, request: Request) -> Flags:
    return _only(hosts, request.requested_host)


def _only(hosts: Hosts, name: str | None) -> Flags:
    if name is None:
        return np.ones(len(hosts), dtype=np.bool_)
    return hosts.among([name])
