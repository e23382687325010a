"""Rally's Nova scenarios, a few times each.

Owns: which scenarios with which arguments. May not: measure; Rally's own figures are in its report.
Crash story: none; the cloud is thrown away afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FLAVOR, _IMAGE = {"name": "m1.tiny"}, {"name": "cirros"}
_BOOT = {"flavor": _FLAVOR, "image": _IMAGE}
_BIGGER = {"to_flavor": {"name": "m1.small"}, "confirm": True}
_VOLUME = {"volume_size": 1}
_NEW_FLAVOR = {"ram": 64, "vcpus": 1, "disk": 1}
_NO_ZONE = {"availability_zone": None}
# Not here: boot_server_attach_created_volume_and_extend. Cinder extends a volume in use from its
# version 3.42 on only, and Rally asks for 3.0.
SCENARIOS: dict[str, dict[str, Any]] = {
    "NovaServers.boot_server": {**_BOOT, "auto_assign_nic": True},
    "NovaServers.boot_and_delete_server": _BOOT,
    "NovaServers.boot_and_delete_multiple_servers": {
        **_BOOT, "count": 3, "auto_assign_nic": True
    },
    "NovaServers.boot_and_list_server": _BOOT,
    "NovaServers.boot_and_show_server": _BOOT,
    "NovaServers.boot_and_update_server": _BOOT,
    "NovaServers.boot_and_bounce_server": {**_BOOT, "actions": [
        {"soft_reboot": 1}, {"hard_reboot": 1}, {"stop_start": 1}, {"rescue_unrescue": 1},
        {"pause_unpause": 1}, {"suspend_resume": 1}, {"lock_unlock": 1}, {"shelve_unshelve": 1},
    ]},
    "NovaServers.boot_lock_unlock_and_delete": _BOOT,
    "NovaServers.boot_and_rebuild_server": {
        "flavor": _FLAVOR, "from_image": _IMAGE, "to_image": _IMAGE
    },
    "NovaServers.snapshot_server": _BOOT,
    "NovaServers.resize_server": {**_BOOT, **_BIGGER},
    "NovaServers.resize_shutoff_server": {**_BOOT, **_BIGGER},
    "NovaServers.pause_and_unpause_server": _BOOT,
    "NovaServers.suspend_and_resume_server": _BOOT,
    "NovaServers.shelve_and_unshelve_server": _BOOT,
    "NovaServers.boot_and_get_console_output": {**_BOOT, "length": 10},
    "NovaServers.boot_and_get_console_url": {**_BOOT, "console_type": "novnc"},
    "NovaServers.boot_and_live_migrate_server": _BOOT,
    "NovaServers.boot_and_migrate_server": _BOOT,
    "NovaServers.boot_server_from_volume": {**_BOOT, **_VOLUME, "auto_assign_nic": True},
    "NovaServers.boot_server_from_volume_and_delete": {**_BOOT, **_VOLUME},
    "NovaServers.boot_server_from_volume_and_resize": {**_BOOT, **_BIGGER, **_VOLUME},
    "NovaServers.boot_server_from_volume_and_live_migrate": {**_BOOT, **_VOLUME},
    "NovaServers.boot_server_from_volume_snapshot": {
        **_BOOT, **_VOLUME, "auto_assign_nic": True
    },
    "NovaServers.boot_server_attach_created_volume_and_resize": {**_BOOT, **_BIGGER, **_VOLUME},
    "NovaServers.boot_server_attach_created_volume_and_live_migrate": {**_BOOT, "size": 1},
    "NovaServers.boot_server_attach_volume_and_list_attachments": {
        **_BOOT, **_VOLUME, "volume_num": 2
    },
    "NovaServers.boot_and_associate_floating_ip": _BOOT,
    "NovaServers.boot_server_associate_and_dissociate_floating_ip": _BOOT,
    "NovaServers.boot_server_and_attach_interface": {
        **_BOOT, "network_create_args": {}, "subnet_create_args": {},
        "subnet_cidr_start": "10.90.0.0/16", "boot_server_args": {},
    },
    "NovaServers.boot_server_and_list_interfaces": _BOOT,
    "NovaServers.list_servers": {},
    "NovaKeypair.create_and_list_keypairs": {},
    "NovaKeypair.create_and_get_keypair": {},
    "NovaKeypair.create_and_delete_keypair": {},
    "NovaKeypair.boot_and_delete_server_with_keypair": _BOOT,
    "NovaServerGroups.create_and_list_server_groups": {"policies": ["affinity"]},
    "NovaServerGroups.create_and_get_server_group": {"policies": ["affinity"]},
    "NovaServerGroups.create_and_delete_server_group": {"policies": ["anti-affinity"]},
    "NovaAggregates.list_aggregates": {},
    "NovaAggregates.create_and_list_aggregates": {"availability_zone": "rally"},
    "NovaAggregates.create_and_get_aggregate_details": {"availability_zone": "rally"},
    "NovaAggregates.create_and_update_aggregate": {"availability_zone": "rally"},
    "NovaAggregates.create_and_delete_aggregate": {"availability_zone": "rally"},
    "NovaAggregates.create_aggregate_add_and_remove_host": _NO_ZONE,
    "NovaAggregates.create_aggregate_add_host_and_boot_server": {
        **_NO_ZONE, "image": _IMAGE, "metadata": {"rally": "true"},
    },
    "NovaAvailabilityZones.list_availability_zones": {"detailed": True},
    "NovaFlavors.list_flavors": {},
    "NovaFlavors.create_flavor": _NEW_FLAVOR,
    "NovaFlavors.create_and_get_flavor": _NEW_FLAVOR,
    "NovaFlavors.create_and_delete_flavor": _NEW_FLAVOR,
    "NovaFlavors.create_and_list_flavor_access": {**_NEW_FLAVOR, "is_public": False},
    "NovaFlavors.create_flavor_and_add_tenant_access": {**_NEW_FLAVOR, "is_public": False},
    "NovaFlavors.create_flavor_and_set_keys": {
        **_NEW_FLAVOR, "extra_specs": {"hw:cpu_policy": "shared"}
    },
    "NovaHypervisors.list_hypervisors": {},
    "NovaHypervisors.list_and_get_hypervisors": {},
    "NovaHypervisors.list_and_get_uptime_hypervisors": {},
    "NovaHypervisors.list_and_search_hypervisors": {},
    "NovaHypervisors.statistics_hypervisors": {},
    "NovaServices.list_services": {},
    "Quotas.nova_get": {},
    "Quotas.nova_update": {"max_quota": 1024},
    "Quotas.nova_update_and_delete": {"max_quota": 1024},
}  # fmt: skip
SERIAL = frozenset({"NovaAggregates.create_aggregate_add_and_remove_host"})
"""They would be in each other's way: a host has one zone."""


def task(times: int, concurrency: int) -> dict[str, Any]:
    """A Rally task of format 2."""
    return {
        "version": 2,
        "title": "Nova scenarios",
        "subtasks": [
            {
                "title": name,
                "scenario": {name: arguments},
                "runner": {
                    "constant": {
                        "times": times,
                        "concurrency": 1 if name in SERIAL else concurrency,
                    }
                },
                "contexts": {
                    "users": {"tenants": 1, "users_per_tenant": 1},
                    "network": {"start_cidr": "10.80.0.0/24"},
                    "quotas": {"nova": {"instances": -1, "cores": -1, "ram": -1}},
                },
                "sla": {"failure_rate": {"max": 0}},
            }
            for name, arguments in SCENARIOS.items()
        ],
    }


def write(file: Path, times: int, concurrency: int) -> None:
    file.write_text(json.dumps(task(times, concurrency), indent=1))
