"""Devices with the tags that users gave them, by which a guest knows what each is for.

Owns: what is said about a tagged device, and which slot each has in a guest of this kind.
May not: list what has no tag: a guest finds that by itself.
Crash story: none; pure functions.

A simulated guest has its NICs in the order of its ports on the first PCI bus, after the slots that
the machine itself takes, and its disks in the order of their rows after those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.domain.block_devices import BlockDevice
from common.domain.guest_data.facts import TaggedDevice
from common.domain.network_info import vifs

FIRST_NIC_SLOT = 3
FIRST_DISK_SLOT = 16
PCI = "pci"
_SLOTS = 32
_ON_PCI = frozenset({None, "virtio"})
"""Disk buses whose disks are devices of the PCI bus; others are named as they are."""


def nics(network_info: list[dict[str, Any]]) -> list[TaggedDevice]:
    """The tagged ports of a server."""
    return [
        TaggedDevice("nic", tag, PCI, _address(FIRST_NIC_SLOT + place), mac=vif["mac"])
        for place, vif in enumerate(vifs(network_info))
        if (tag := vif.get("tag"))
    ]


def disks(devices: Sequence[BlockDevice]) -> list[TaggedDevice]:
    """The tagged disks of a server."""
    return [
        TaggedDevice(
            "disk",
            device.tag,
            PCI if device.disk_bus in _ON_PCI else str(device.disk_bus),
            _address(FIRST_DISK_SLOT + place) if device.disk_bus in _ON_PCI else f"0:0:{place}:0",
            serial=device.volume_id,
            path=device.device_name,
        )
        for place, device in enumerate(devices)
        if device.tag
    ]


def _address(slot: int) -> str:
    bus, device = divmod(slot, _SLOTS)
    return f"0000:{bus:02x}:{device:02x}.0"


def devices(tagged: Sequence[TaggedDevice]) -> list[dict[str, Any]]:
    """As meta_data.json says it."""
    return [_device(device) for device in tagged]


def _device(device: TaggedDevice) -> dict[str, Any]:
    own: Mapping[str, str | None] = {
        "mac": device.mac,
        "serial": device.serial,
        "path": device.path,
    }
    return {
        "type": device.kind,
        "bus": device.bus,
        "address": device.address,
        **{name: value for name, value in own.items() if value is not None},
        "tags": [device.tag],
    }
