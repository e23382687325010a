"""Devices with the tags that users gave them, by which a guest knows what each is for.

Owns: what is said about a tagged device, and which slot each has in a guest of this kind.
May not: list what has no tag: a guest finds that by itself.
Crash story: none; pure functions.

A simulated guest has its NICs in the order of its ports on the first PCI bus, after the two slots
that the machine itself takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.domain.guest_data.facts import TaggedDevice
from common.domain.network_info import vifs

FIRST_NIC_SLOT = 3
BUS = "pci"


def nics(network_info: list[dict[str, Any]]) -> list[TaggedDevice]:
    """The tagged ports of a server."""
    return [
        TaggedDevice("nic", tag, BUS, _address(FIRST_NIC_SLOT + place), mac=vif["mac"])
        for place, vif in enumerate(vifs(network_info))
        if (tag := vif.get("tag"))
    ]


def _address(slot: int) -> str:
    return f"0000:00:{slot:02x}.0"


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
