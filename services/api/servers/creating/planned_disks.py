"""Which disks new servers get, of those that were asked for and found.

Owns: the refusals about volumes and sizes. May not: do I/O. Crash story: none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from common.domain import block_devices
from common.domain.block_devices import BlockDevice
from common.errors import Forbidden, InvalidInput
from services.api.servers import images, reserving
from services.api.servers.creating.asked_disks import AskedDisks
from services.api.servers.creating.asked_networks import AskedNetwork
from services.api.servers.creating.found_disks import FoundDisks


def disks(
    asked: AskedDisks,
    found: FoundDisks,
    flavor: dict[str, Any],
    networks: Sequence[AskedNetwork],
) -> list[BlockDevice]:
    """The disks with their sizes. Raises `InvalidInput`, or `Forbidden` for too many."""
    devices = [_sized(device, found) for device in found.devices]
    for device in devices:
        if device.volume_id is not None:
            reserving.check(found.volumes[device.volume_id], multiattach=asked.multiattach)
    _check_tags(devices, networks)
    of_flavor = bool(flavor["ephemeral_gib"]) + bool(flavor["swap_mib"])
    if 0 <= asked.most < max(len(devices), 1 + of_flavor):
        raise too_many(asked.most)
    root = block_devices.root(devices)
    if root is not None and root.is_volume:
        _check_root(root, found, flavor)
    return devices


def too_many(most: int) -> Forbidden:
    return Forbidden(
        f"The maximum allowed number of disk devices ({most}) to attach to a single instance has "
        "been exceeded."
    )


def _sized(device: BlockDevice, found: FoundDisks) -> BlockDevice:
    if device.volume_id is not None:
        return replace(device, size=found.volumes[device.volume_id].size_gib)
    if device.snapshot_id is not None and device.size is None:
        return replace(device, size=found.snapshots[device.snapshot_id].size_gib)
    return device


def _check_tags(devices: Sequence[BlockDevice], networks: Sequence[AskedNetwork]) -> None:
    tags = Counter(
        [device.tag for device in devices if device.tag] + [n.tag for n in networks if n.tag]
    )
    for tag, times in tags.items():
        if times > 1:
            raise InvalidInput(f"Tag '{tag}' is used by {times} devices; tags must be unique.")


def _check_root(root: BlockDevice, found: FoundDisks, flavor: dict[str, Any]) -> None:
    if root.volume_id is not None and not found.volumes[root.volume_id].bootable:
        raise InvalidInput(f"Block Device {root.volume_id} is not bootable.")
    if found.boot_image is not None:
        images.check_on_volume(found.boot_image, flavor, root.size or 0)
