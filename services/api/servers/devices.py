"""Disks a create request brings along.

Owns: what is accepted of block_device_mapping and block_device_mapping_v2.
May not: do I/O. Crash story: none, pure functions.

Servers boot from an image onto a local disk. The mapping that clients send for exactly that is
accepted; everything with a volume is refused, with the reason.
"""

from __future__ import annotations

from typing import Any

from common.errors import InvalidInput


def _invalid(details: str) -> InvalidInput:
    return InvalidInput(f"Block Device Mapping is Invalid: {details}")


def check_devices(server: dict[str, Any]) -> None:
    """Raises `InvalidInput` unless the server boots from its image onto a local disk."""
    legacy, devices = server.get("block_device_mapping"), server.get("block_device_mapping_v2")
    if legacy and devices:
        raise InvalidInput(
            "Using different block_device_mapping syntaxes is not allowed in the same request."
        )
    if legacy:
        raise _invalid("volumes cannot be attached here; use imageRef alone.")
    for device in devices or ():
        _check_device(device, server.get("imageRef"))
    boot = [d for d in devices or () if str(d.get("boot_index")) == "0"]
    if devices and len(boot) != 1:
        raise _invalid("Boot sequence for the instance and image/block device mapping is invalid.")


def _check_device(device: dict[str, Any], image_ref: str | None) -> None:
    source, destination = device.get("source_type"), device.get("destination_type")
    if source is None:
        raise _invalid("source_type is missing.")
    if source != "image" or (destination or "local") != "local":
        raise _invalid(
            f"{source} to {destination or 'volume'} is not available here; "
            "use source_type image and destination_type local."
        )
    image = device.get("uuid") or device.get("image_id")
    if str(device.get("boot_index")) != "0" or not image_ref:
        raise _invalid("Mapping image to local is not supported.")
    if image != image_ref:
        raise _invalid(f"uuid {image} is not the server's imageRef {image_ref}.")
