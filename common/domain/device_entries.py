"""One entry of a block device mapping, in either form, as a disk.

Owns: what each field means, and every rule about one entry alone.
May not: do I/O, or look at the other entries. Crash story: none, pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from common.domain.block_devices import DISK_BUSES, SWAP, BlockDevice, DestinationType
from common.errors import InvalidInput

NewId = Callable[[], UUID]
Entry = Mapping[str, Any]

_KEPT = ("device_name", "guest_format", "disk_bus", "device_type", "tag", "volume_type")
_REFERS = {"image": "image_id", "snapshot": "snapshot_id", "volume": "volume_id"}
"""Source type to the field that names the source."""


def invalid(details: str) -> InvalidInput:
    return InvalidInput(f"Block Device Mapping is Invalid: {details}")


def from_entry(entry: Entry, new_id: NewId, image_id: str | None) -> BlockDevice:
    """Of the present form, block_device_mapping_v2."""
    source = entry.get("source_type")
    if source is None:
        raise invalid("source_type is missing.")
    for name in ("virtual_name", "connection_info"):
        if entry.get(name) is not None:
            raise invalid(f"{name} has no meaning here.")
    otherwise: DestinationType = "volume" if source in ("volume", "snapshot") else "local"
    destination: DestinationType = entry.get("destination_type") or otherwise
    device = BlockDevice(
        uuid=new_id(),
        source_type=source,
        destination_type=destination,
        boot_index=_boot_index(entry.get("boot_index")),
        size=_number(entry.get("volume_size")),
        delete_on_termination=_truth(entry.get("delete_on_termination")),
        **{name: entry.get(name) or None for name in _KEPT},
        **_reference(source, entry),
    )
    _check_entry(device, image_id)
    return device


def _reference(source: str, entry: Entry) -> dict[str, Any]:
    """Which image, snapshot or volume it is made of."""
    given = entry.get("uuid")
    field = _REFERS.get(source)
    others = [name for name in _REFERS.values() if name != field and entry.get(name)]
    if others:
        raise invalid(f"{others[0]} does not go with source_type {source}.")
    if field is None:
        if given:
            raise invalid("Invalid device UUID.")
        return {}
    found = given or entry.get(field)
    if not found:
        raise invalid("Missing device UUID.")
    return {field: found}


def _check_entry(device: BlockDevice, image_id: str | None) -> None:
    source, local = device.source_type, not device.is_volume
    if local and source in ("volume", "snapshot"):
        raise invalid(f"Mapping {source} to local is not supported.")
    if local and source == "image":
        if not (image_id and device.is_root):
            raise invalid("Mapping image to local is not supported.")
        if device.image_id != image_id:
            raise invalid(f"uuid {device.image_id} is not the server's imageRef {image_id}.")
    if local and device.volume_type:
        raise invalid("Specifying a volume_type with destination_type=local is not supported.")
    if source == "volume" and device.volume_type:
        raise invalid("Specifying volume type to existing volume is not supported.")
    if device.is_volume and source in ("image", "blank") and not device.size:
        what = "Images with" if source == "image" else "Blank volumes with"
        raise invalid(f"{what} destination_type 'volume' need to have a non-zero size specified")
    if device.disk_bus and device.disk_bus not in DISK_BUSES:
        raise invalid(f"disk_bus {device.disk_bus} is not known.")


def _boot_index(value: Any) -> int | None:
    """Negative means what null means: not booted from."""
    if value is None or value == "":
        return None
    number = int(value)
    return number if number >= 0 else None


def _number(value: Any) -> int | None:
    return None if value in (None, "") else int(value)


def _truth(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "on", "yes")


def from_old_entry(entry: Entry, new_id: NewId) -> BlockDevice:
    """Of the old form, block_device_mapping."""
    virtual = entry.get("virtual_name")
    if entry.get("connection_info") is not None:
        raise invalid("connection_info has no meaning here.")
    fields: dict[str, Any] = {
        "uuid": new_id(),
        "device_name": entry.get("device_name"),
        "size": _number(entry.get("volume_size")),
        "delete_on_termination": _truth(entry.get("delete_on_termination")),
    }
    if entry.get("volume_id"):
        return BlockDevice(
            source_type="volume",
            destination_type="volume",
            volume_id=entry["volume_id"],
            **fields,
        )
    if entry.get("snapshot_id"):
        return BlockDevice(
            source_type="snapshot",
            destination_type="volume",
            snapshot_id=entry["snapshot_id"],
            **fields,
        )
    if virtual == SWAP or str(virtual).startswith("ephemeral"):
        guest_format = SWAP if virtual == SWAP else None
        fields["delete_on_termination"] = True
        return BlockDevice(
            source_type="blank", destination_type="local", guest_format=guest_format, **fields
        )
    raise invalid("Unrecognized legacy format.")


def image_disk(image_id: str, new_id: NewId) -> BlockDevice:
    """The disk of a server that boots from its image, when there are others beside it."""
    return BlockDevice(
        uuid=new_id(),
        source_type="image",
        destination_type="local",
        boot_index=0,
        image_id=image_id,
        delete_on_termination=True,
    )
