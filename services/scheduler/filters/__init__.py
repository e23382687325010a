"""All filters in the order they are asked; the first that removes a host is its reason.

Owns: the list. A filter is a function (hosts, request) -> hosts that pass; it may not change
either. To add one: a file with the function, a row here, a case in tests/unit/scheduler.
Crash story: none, filters are pure.

Those that a claim insists on as well are always asked: without them a host would be proposed again
and again that the claim refuses. The others are asked when `scheduler.enabled_filters` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from services.scheduler.filters import (
    aggregate_image_properties_isolation,
    aggregate_instance_extra_specs,
    aggregate_multi_tenancy_isolation,
    aggregate_type_affinity,
    availability_zone,
    compute,
    compute_capabilities,
    core,
    different_host,
    disk,
    image_properties,
    io_ops,
    isolated_hosts,
    json_query,
    num_instances,
    ram,
    requested_host,
    resource_classes,
    retry,
    same_host,
    server_group_affinity,
    server_group_anti_affinity,
    simple_cidr_affinity,
    traits,
)
from services.scheduler.hosts import Flags, Hosts, Request


class Filter(NamedTuple):
    name: str
    """Stands in the fault and in the counts; operators know these names."""
    passes: Callable[[Hosts, Request], Flags]
    when_forced: bool = False
    """Also holds for a host that an administrator forces."""
    optional: bool = False
    needs_facts: Callable[[Request], bool] = lambda _: False
    """Whether this request is about the kinds or addresses of hosts."""

    @property
    def setting(self) -> str:
        """The name that enables it: what stands in the fault without the reason behind it."""
        return self.name.partition(" ")[0]


FILTERS = (
    Filter("ForcedHostFilter", requested_host.is_forced, when_forced=True),
    Filter("RetryFilter", retry.not_tried, when_forced=True),
    Filter("RequestedHostFilter", requested_host.is_requested),
    Filter("ComputeFilter (down)", compute.alive),
    Filter("ComputeFilter (disabled)", compute.enabled),
    Filter("AvailabilityZoneFilter", availability_zone.in_zone),
    Filter("ResourceClassFilter", resource_classes.offers, when_forced=True),
    Filter("TraitFilter", traits.has, when_forced=True, needs_facts=traits.asked),
    Filter("IsolatedHostsFilter", isolated_hosts.fits, optional=True),
    Filter(
        "AggregateMultiTenancyIsolation", aggregate_multi_tenancy_isolation.admits, optional=True
    ),
    Filter("AggregateTypeAffinityFilter", aggregate_type_affinity.admits, optional=True),
    Filter("AggregateInstanceExtraSpecsFilter", aggregate_instance_extra_specs.has, optional=True),
    Filter(
        "AggregateImagePropertiesIsolation",
        aggregate_image_properties_isolation.admits,
        optional=True,
    ),
    Filter(
        "ImagePropertiesFilter",
        image_properties.supports,
        optional=True,
        needs_facts=image_properties.asked,
    ),
    Filter(
        "ComputeCapabilitiesFilter",
        compute_capabilities.has,
        optional=True,
        needs_facts=compute_capabilities.asked,
    ),
    Filter("JsonFilter", json_query.answers, optional=True, needs_facts=json_query.asked),
    Filter("SameHostFilter", same_host.has_one_of_them, optional=True),
    Filter("DifferentHostFilter", different_host.has_none_of_them, optional=True),
    Filter(
        "SimpleCIDRAffinityFilter",
        simple_cidr_affinity.is_near,
        optional=True,
        needs_facts=simple_cidr_affinity.asked,
    ),
    Filter("ServerGroupAntiAffinityFilter", server_group_anti_affinity.has_few, when_forced=True),
    Filter("ServerGroupAffinityFilter", server_group_affinity.has_all, when_forced=True),
    Filter("IoOpsFilter", io_ops.has_few, optional=True),
    Filter("AggregateIoOpsFilter", io_ops.has_few_for_its_aggregates, optional=True),
    Filter("NumInstancesFilter", num_instances.has_few, optional=True),
    Filter("AggregateNumInstancesFilter", num_instances.has_few_for_its_aggregates, optional=True),
    Filter("RamFilter", ram.fits, when_forced=True),
    Filter("CoreFilter", core.fits, when_forced=True),
    Filter("DiskFilter", disk.fits, when_forced=True),
)

ALL_HOSTS = "AllHostsFilter"
"""A name without a filter: it lets everything pass."""


def enabled(names: Iterable[str]) -> tuple[Filter, ...]:
    """Those that are asked when these are enabled; raises `ValueError` for one there is not."""
    wanted = set(names)
    if unknown := wanted - {each.setting for each in FILTERS} - {ALL_HOSTS}:
        raise ValueError(f"scheduler.enabled_filters: there is no {', '.join(sorted(unknown))}")
    return tuple(each for each in FILTERS if not each.optional or each.setting in wanted)
