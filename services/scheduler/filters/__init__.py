"""All filters in the order they are asked; the first that removes a host is its reason.

Owns: the list. A filter is a function (hosts, request) -> hosts that pass; it may not change
either. To add one: a file with the function, a row here, a case in tests/unit/scheduler.
Crash story: none, filters are pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from services.scheduler.filters import (
    availability_zone,
    compute,
    core,
    different_host,
    disk,
    ram,
    requested_host,
    retry,
    same_host,
)
from services.scheduler.hosts import Flags, Hosts, Request


class Filter(NamedTuple):
    name: str
    """Stands in the fault and in the counts; operators know these names."""
    passes: Callable[[Hosts, Request], Flags]
    when_forced: bool = False
    """Also holds for a host that an administrator forces."""


FILTERS = (
    Filter("ForcedHostFilter", requested_host.is_forced, when_forced=True),
    Filter("RetryFilter", retry.not_tried, when_forced=True),
    Filter("RequestedHostFilter", requested_host.is_requested),
    Filter("ComputeFilter (down)", compute.alive),
    Filter("ComputeFilter (disabled)", compute.enabled),
    Filter("AvailabilityZoneFilter", availability_zone.in_zone),
    Filter("SameHostFilter", same_host.has_one_of_them),
    Filter("DifferentHostFilter", different_host.has_none_of_them),
    Filter("RamFilter", ram.fits, when_forced=True),
    Filter("CoreFilter", core.fits, when_forced=True),
    Filter("DiskFilter", disk.fits, when_forced=True),
)
