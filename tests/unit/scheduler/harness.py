"""Hosts as arrays, written down shortly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from common.config.scheduler import SchedulerSettings
from services.scheduler.filters import FILTERS
from services.scheduler.hosts import Aggregate, Hosts, Kind, Request
from services.scheduler.placement import Plan, place

EQUAL = SchedulerSettings(build_failure_weight_multiplier=1.0)
"""All weighers that are on count the same."""
KIND = Kind("QEMU", 7_002_000, {"arch": "x86_64"}, [["x86_64", "kvm", "hvm"]])


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
    busy: int = 0
    version: int = 7_002_000
    address: str = "192.0.2.1"
    kind: Kind | None = KIND
    metadata: dict[str, str] = field(default_factory=dict)
    """Of an aggregate of its own."""


def hosts_of(*hosts: Host) -> Hosts:
    kinds = [h.kind for h in hosts if h.kind is not None]
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
        busy=np.array([h.busy for h in hosts], dtype=np.int64),
        hypervisor_versions=np.array([h.version for h in hosts], dtype=np.int64),
        aggregates=[
            Aggregate(
                {key: frozenset(value.split(",")) for key, value in h.metadata.items()},
                np.array([position], dtype=np.intp),
            )
            for position, h in enumerate(hosts)
            if h.metadata
        ],
        kinds=kinds,
        kind_of=np.array([kinds.index(h.kind) if h.kind else -1 for h in hosts], dtype=np.intp),
        addresses=[h.address for h in hosts],
    )


def plan_for(hosts: Hosts, request: Request, seed: int = 0, **settings: Any) -> Plan:
    """By all filters there are."""
    wanted = replace(request, settings=EQUAL.model_copy(update=settings))
    return place(hosts, wanted, FILTERS, np.random.default_rng(seed))


def chosen(hosts: Hosts, plan: Plan) -> list[str]:
    """Names of the candidates, best first."""
    return [hosts.names[position] for position in plan.candidates]
