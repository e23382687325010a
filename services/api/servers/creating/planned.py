"""Third stage: what will be written, or why not.

Owns: the refusals that need the facts, and the columns of a new server. May not: do I/O.
Crash story: none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.db.stores.quotas import UNLIMITED, Caps
from common.domain import block_devices
from common.domain.block_devices import BlockDevice
from common.domain.guest_data.facts import wants_drive
from common.errors import InvalidInput, OverQuota
from common.neighbours.volume import Volume
from services.api.servers import files, images
from services.api.servers.creating import planned_disks, planned_networks
from services.api.servers.creating.asked import Asked
from services.api.servers.creating.found import Found
from services.api.servers.flavors import SIZES, stored_flavor

ROOT_DEVICE = "/dev/vda"
MOST_AT_ONCE = 1000
"""Servers one request can make, whatever the quota."""


@dataclass(frozen=True)
class Destination:
    """None: left to the scheduler."""

    zone: str | None
    force_host: str | None
    """Filters are skipped for it; capacity still counts."""
    requested_host: str | None
    """Only this one, if the filters let it pass."""


@dataclass(frozen=True)
class Plan:
    """Servers that differ in name, id and number only."""

    asked: Asked
    limits: Caps
    destination: Destination
    columns: dict[str, Any]
    """Those all servers share, but for the reservation id."""
    disks: list[BlockDevice]
    volumes: dict[str, Volume]
    """Those of the disks that exist, by id: they are reserved for the server."""
    workflow_state: dict[str, Any]
    """Input of each build (services/conductor/workflows/build.py)."""


def plan(asked: Asked, found: Found) -> Plan:
    """Raises `InvalidInput`, `Forbidden`, `Conflict` or `OverQuota`."""
    if found.flavor is None or found.flavor["disabled"]:
        raise InvalidInput(f"Flavor {asked.flavorid} could not be found.")
    _check_quotas(asked, found.limits)
    networks = asked.networks if isinstance(asked.networks, tuple) else ()
    disks = planned_disks.disks(asked.disks, found.disks, found.flavor, networks)
    volume_backed = block_devices.is_volume_backed(disks)
    if not volume_backed:
        assert found.image is not None, "nothing else to boot from"
        images.check(found.image, found.flavor, zero_disk_allowed=asked.allowed.zero_disk)
    if asked.key_name and found.key_name is None:
        raise InvalidInput("Invalid key_name provided.")
    destination = _destination(asked, found)
    groups = planned_networks.group_ids(asked.group_names, found.security_groups, asked.project_id)
    return Plan(
        asked,
        found.limits,
        destination,
        _columns(asked, found, found.flavor, volume_backed=volume_backed),
        disks=disks,
        volumes=found.disks.volumes,
        workflow_state={
            "force_host": destination.force_host,
            "requested_host": destination.requested_host,
            "availability_zone": destination.zone,
            "security_group_ids": groups,
        },
    )


def _check_quotas(asked: Asked, limits: Caps) -> None:
    items, most = len(asked.metadata), limits["metadata_items"]
    if most != UNLIMITED and items > most:
        raise OverQuota(f"Maximum number of metadata items exceeds {most}")
    files.check(asked.files, limits)
    if asked.least > MOST_AT_ONCE and not 0 <= limits["instances"] < asked.least:
        raise InvalidInput(f"min_count may be at most {MOST_AT_ONCE}.")


def _destination(asked: Asked, found: Found) -> Destination:
    place = asked.place
    if not found.place.zone_known:
        raise InvalidInput("The requested availability zone is not available")
    return Destination(
        place.zone,
        force_host=found.place.host if place.forced else None,
        requested_host=None if place.forced else found.place.host,
    )


def _columns(
    asked: Asked, found: Found, flavor: dict[str, Any], *, volume_backed: bool
) -> dict[str, Any]:
    image, zone = found.image, asked.place.zone
    properties = image.properties if image else {}
    image_ref = image.id if image and not volume_backed else None
    networks = planned_networks.networks(
        asked.networks,
        found.networks,
        project_id=asked.project_id,
        external_allowed=asked.allowed.external_networks,
    )
    return {
        "project_id": asked.project_id,
        "user_id": asked.user_id,
        "description": asked.description,
        "availability_zone": zone,
        "pinned_availability_zone": zone,
        "flavor": stored_flavor(flavor),
        "flavorid": flavor["flavorid"],
        **{name: flavor[name] for name in SIZES},
        "image_ref": image_ref,
        "image_properties": properties,
        "kernel_id": properties.get("kernel_id", ""),
        "ramdisk_id": properties.get("ramdisk_id", ""),
        "root_device_name": properties.get("root_device_name", ROOT_DEVICE),
        "config_drive": "True" if asked.config_drive or wants_drive(properties) else "",
        "auto_disk_config": images.auto_disk_config(asked.disk_config, properties, image_ref),
        "key_name": found.key_name,
        "key_data": found.public_key,
        "user_data": asked.user_data,
        "metadata": asked.metadata,
        "tags": asked.tags,
        "security_groups": planned_networks.shown_groups(
            networks, asked.group_names, found.security_groups
        ),
        "requested_networks": networks,
        "access_ip_v4": asked.access_ip_v4,
        "access_ip_v6": asked.access_ip_v6,
        "scheduler_hints": asked.hints,
        "trusted_certs": asked.trusted_certs,
        "server_group": _group(asked, found),
    }


def _group(asked: Asked, found: Found) -> str | None:
    """Servers join a group when they are made, and only one of their own project."""
    if asked.group is None:
        return None
    if found.place.group is None or found.place.group.project_id != asked.project_id:
        raise InvalidInput(f"Instance group {asked.group} could not be found.")
    return str(found.place.group.uuid)
