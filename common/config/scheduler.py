"""Settings of schedulers, and of the claims that follow from their proposals.

Owns: section `scheduler`. May not: know a filter or weigher beyond its name. Crash story: none.
"""

from __future__ import annotations

import os
import socket

from pydantic import Field

from common.config.section import Section


class SchedulerSettings(Section):
    host_name: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    cpu_allocation_ratio: float = Field(default=4.0, gt=0)
    ram_allocation_ratio: float = Field(default=1.0, gt=0)
    disk_allocation_ratio: float = Field(default=1.0, gt=0)
    snapshot_max_age_s: float = Field(default=0.25, ge=0)
    promise_s: float = Field(default=2.0, ge=0)
    """A host that was answered counts as filled for this long, unless its claim is seen before."""
    max_alternates: int = Field(default=2, ge=0)
    """Other hosts named with the best; the claim takes the first that has room."""
    enabled_filters: list[str] = Field(
        default_factory=lambda: [
            "ComputeFilter",
            "ComputeCapabilitiesFilter",
            "ImagePropertiesFilter",
            "ServerGroupAntiAffinityFilter",
            "ServerGroupAffinityFilter",
            "SameHostFilter",
            "DifferentHostFilter",
        ]
    )
    """Of the filters that may be left out; those a claim insists on are always asked (see
    services/scheduler/filters). The default is what a development cloud enables: Nova's own list
    has no SameHostFilter and DifferentHostFilter."""
    facts_max_age_s: float = Field(default=10.0, ge=0)
    """What only few questions are about (CPUs, supported images, addresses of hosts) is read again
    after this long; a no is never said from an old copy."""
    max_io_ops_per_host: int = Field(default=8, ge=1)
    """For IoOpsFilter: builds, moves, snapshots and the like at the same time."""
    max_instances_per_host: int = Field(default=50, ge=1)
    """For NumInstancesFilter."""
    isolated_hosts: list[str] = Field(default_factory=list)
    isolated_images: list[str] = Field(default_factory=list)
    """For IsolatedHostsFilter: servers of these images (ids) go to these hosts only."""
    restrict_isolated_hosts_to_isolated_images: bool = True
    """And no others go there."""
    image_properties_default_architecture: str | None = None
    """For ImagePropertiesFilter: of images that do not name one."""
    aggregate_image_properties_isolation_namespace: str | None = None
    aggregate_image_properties_isolation_separator: str = "."
    """For AggregateImagePropertiesIsolation: only metadata that begin with both count."""
    # How much each preference counts. Metadata of an aggregate with the same name, e.g.
    # ram_weight_multiplier, take the place of the setting for its hosts.
    ram_weight_multiplier: float = 1.0
    cpu_weight_multiplier: float = 1.0
    disk_weight_multiplier: float = 1.0
    io_ops_weight_multiplier: float = -1.0
    num_instances_weight_multiplier: float = 0.0
    soft_affinity_weight_multiplier: float = Field(default=1.0, ge=0)
    soft_anti_affinity_weight_multiplier: float = Field(default=1.0, ge=0)
    hypervisor_version_weight_multiplier: float = 1.0
    build_failure_weight_multiplier: float = 1_000_000.0
