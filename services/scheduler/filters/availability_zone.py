"""Hosts of the zone that was asked for; without one, all."""

from __future__ import annotations

import numpy as np

from services.scheduler.hosts import Flags, Hosts, Request


def in_zone(hosts: Hosts, request: Request) -> Flags:
    if request.availability_zone is None:
        return np.ones(len(hosts), dtype=np.bool_)
    passing: Flags = hosts.zones == request.availability_zone
    return passing
