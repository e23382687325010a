"""Group policy soft-anti-affinity: prefers hosts with few other members."""

from __future__ import annotations

import numpy as np

from services.scheduler.hosts import Floats, Hosts, Request


def weigh(hosts: Hosts, request: Request) -> Floats:
    if request.group is None or request.group.policy != "soft-anti-affinity":
        return np.zeros(len(hosts))
    return -hosts.members(request.group).astype(float)
