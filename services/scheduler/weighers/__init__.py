"""All weighers. More is better; each is scaled to 0..1 over the hosts that passed the filters and
multiplied by the setting `scheduler.<name>_weight_multiplier`, or by the metadata of that name that
the host's aggregates have.

Owns: the list. A weigher is a function (hosts, request) -> one number a host. To add one: a file
with the function, a row here, a setting, a case in tests/unit/scheduler. Crash story: none, they
are pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from services.scheduler.hosts import Floats, Hosts, Request
from services.scheduler.weighers import (
    build_failure,
    cpu,
    disk,
    hypervisor_version,
    io_ops,
    num_instances,
    ram,
    soft_affinity,
    soft_anti_affinity,
)


class Weigher(NamedTuple):
    name: str
    weigh: Callable[[Hosts, Request], Floats]

    @property
    def setting(self) -> str:
        """Name of its multiplier, among the settings and in the metadata of aggregates."""
        return f"{self.name}_weight_multiplier"


WEIGHERS = (
    Weigher("ram", ram.weigh),
    Weigher("cpu", cpu.weigh),
    Weigher("disk", disk.weigh),
    Weigher("io_ops", io_ops.weigh),
    Weigher("num_instances", num_instances.weigh),
    Weigher("soft_affinity", soft_affinity.weigh),
    Weigher("soft_anti_affinity", soft_anti_affinity.weigh),
    Weigher("hypervisor_version", hypervisor_version.weigh),
    Weigher("build_failure", build_failure.weigh),
)
