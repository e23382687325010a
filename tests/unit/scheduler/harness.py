"""Hosts as arrays, written down shortly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.scheduler.hosts import Hosts, Request
from services.scheduler.placement import Plan, place
from services.scheduler.weighers import WEIGHERS

EQUAL = {each.name: 1.0 for each in WEIGHERS}


@dataclass(frozen=True)
class Host:
    """An empty host in service unless told otherwise; triples are vCPUs, MiB, GiB."""

    name: str
    zone: str = "nova"
    enabled: bool = True
    alive: bool = True
    total: tuple[int, int, int] = (16, 8192, 100)
    usable: tuple[float, float, float] = (64.0, 8192.0, 100.0)
    used: tuple[int, int, int] = (0, 0, 0)
    allocations: int = 0
    failed_builds: int = 0


def hosts_of(*hosts: Host) -> Hosts:
    return Hosts(
        names=[h.name for h in hosts],
        nodes=[h.name for h in hosts],
        zones=np.array([h.zone for h in hosts], dtype=np.str_),
        enabled=np.array([h.enabled for h in hosts], dtype=np.bool_),
        alive=np.array([h.alive for h in hosts], dtype=np.bool_),
        total=np.array([h.total for h in hosts], dtype=np.int64).reshape(-1, 3).T.copy(),
        usable=np.array([h.usable for h in hosts], dtype=np.float64).reshape(-1, 3).T.copy(),
        used=np.array([h.used for h in hosts], dtype=np.int64).reshape(-1, 3).T.copy(),
        allocations=np.array([h.allocations for h in hosts], dtype=np.int64),
        failed_builds=np.array([h.failed_builds for h in hosts], dtype=np.int64),
    )


def plan_for(
    hosts: Hosts, request: Request, seed: int = 0, multipliers: dict[str, float] | None = None
) -> Plan:
    return place(hosts, request, multipliers or EQUAL, np.random.default_rng(seed))


def chosen(hosts: Hosts, plan: Plan) -> list[str]:
    """Names of the candidates, best first."""
    return [hosts.names[position] for position in plan.candidates]
