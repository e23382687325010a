"""What a request, or the image it names, says about the disks of a new server.

Owns: how the entries of a request and those an image brings along become one list, and every rule
about the whole of it. What one entry says is in `device_entries.py`.
May not: do I/O; whether a volume, a snapshot or a type exists is asked elsewhere.
Crash story: none, pure functions.

The result names every disk but those that follow from the flavor alone. A server that boots from
its image, and says nothing about disks, has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from common.domain.block_devices import (
    DEFAULT_ROOT,
    BlockDevice,
    bare_name,
    full_name,
    is_volume_backed,
    next_name,
    root,
)
from common.domain.device_entries import (
    Entry,
    NewId,
    from_entry,
    from_old_entry,
    image_disk,
    invalid,
)
from common.errors import InvalidInput

IMAGE_DEVICES = "block_device_mapping"
"""Property of an image: the disks of the server it was made of, as JSON."""


@dataclass(frozen=True)
class Sizes:
    """What the flavor gives of local disks."""

    ephemeral_gib: int
    swap_mib: int


@dataclass(frozen=True)
class Asked:
    """Everything that says something about disks."""

    legacy: Sequence[Entry] = ()
    """block_device_mapping"""
    current: Sequence[Entry] = ()
    """block_device_mapping_v2"""
    image_id: str | None = None
    image_properties: Mapping[str, str] | None = None
    root_name: str = DEFAULT_ROOT
    servers: int = 1
    """How many the request makes at most."""

    @property
    def of_image(self) -> str | None:
        return (self.image_properties or {}).get(IMAGE_DEVICES)


def requested(asked: Asked, sizes: Sizes, *, new_id: NewId, most_local: int) -> list[BlockDevice]:
    """The disks, in the order asked for, each with a name. `most_local`: how many may be local,
    those of the flavor included; -1: any number. Raises `InvalidInput`."""
    if asked.legacy and asked.current:
        raise InvalidInput(
            "Using different block_device_mapping syntaxes is not allowed in the same request."
        )
    brought = _of_image(asked, new_id)
    if asked.legacy:
        devices, removed = _legacy(asked, new_id, has_root=root(brought) is not None)
    else:
        devices, removed = _current(asked, new_id)
    if (devices or brought) and not asked.current and root([*devices, *brought]) is None:
        devices = [*_boots_from(asked.image_id, new_id), *devices]
    if root(brought) is not None:
        devices = [d for d in devices if not (d.is_root and d.source_type == "image")]
    if not devices and not brought:
        return []
    replaced = removed | {_name(device) for device in devices if device.device_name}
    devices = [d for d in brought if not d.device_name or _name(d) not in replaced] + devices
    _check_whole(devices, asked)
    _check_sizes(devices, sizes, most_local)
    return _named(devices, asked.root_name)


def _name(device: BlockDevice) -> str:
    return bare_name(device.device_name or "")


# What the request says.


def _current(asked: Asked, new_id: NewId) -> tuple[list[BlockDevice], set[str]]:
    """Disks, and the names of those the image brings that are not wanted."""
    wanted = [entry for entry in asked.current if not entry.get("no_device")]
    removed = {bare_name(e.get("device_name") or "") for e in asked.current if e.get("no_device")}
    return [from_entry(entry, new_id, asked.image_id) for entry in wanted], removed


def _legacy(asked: Asked, new_id: NewId, *, has_root: bool) -> tuple[list[BlockDevice], set[str]]:
    wanted = [entry for entry in asked.legacy if not entry.get("no_device")]
    removed = {bare_name(e.get("device_name") or "") for e in asked.legacy if e.get("no_device")}
    devices = [from_old_entry(entry, new_id) for entry in wanted]
    if has_root:
        return devices, removed
    root_name = bare_name(asked.root_name)
    for n, device in enumerate(devices):
        if device.is_volume and device.device_name and _name(device) == root_name:
            devices[n] = replace(device, boot_index=0)
            break
    return devices, removed


def _boots_from(image_id: str | None, new_id: NewId) -> list[BlockDevice]:
    return [image_disk(image_id, new_id)] if image_id else []


# What an image brings along.


def _of_image(asked: Asked, new_id: NewId) -> list[BlockDevice]:
    if not asked.of_image:
        return []
    try:
        entries = json.loads(asked.of_image)
        present = [entry for entry in entries if not entry.get("no_device")]
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidInput(f"Image {asked.image_id}: its disks cannot be read: {error}") from error
    return [
        from_entry(_without_nulls(entry), new_id, asked.image_id)
        if entry.get("source_type")
        else from_old_entry(entry, new_id)
        for entry in present
    ]


def _without_nulls(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if value is not None}


# All together.


def _check_whole(devices: Sequence[BlockDevice], asked: Asked) -> None:
    indexes = sorted(d.boot_index for d in devices if d.boot_index is not None)
    if not indexes or indexes != list(range(len(indexes))):
        raise invalid(
            "Boot sequence for the instance and image/block device mapping combination is not "
            "valid."
        )
    tags = [device.tag for device in devices if device.tag]
    if len(tags) != len(set(tags)):
        raise InvalidInput("Tags must be unique among the devices of a server.")
    taken = [device.volume_id for device in devices if device.volume_id]
    if len(taken) != len(set(taken)):
        raise invalid("a volume can be one disk of a server only.")
    if taken and asked.servers > 1:
        raise InvalidInput("Cannot attach one or more volumes to multiple instances")
    names = [_name(device) for device in devices if device.device_name]
    if len(names) != len(set(names)):
        raise invalid("two disks have the same device_name.")
    if asked.image_id and not is_volume_backed(devices):
        for device in devices:
            if (
                device.is_volume
                and device.device_name
                and _name(device) == bare_name(asked.root_name)
            ):
                raise InvalidInput(
                    "The volume cannot be assigned the same device name as the root device "
                    f"{asked.root_name}"
                )


def _check_sizes(devices: Sequence[BlockDevice], sizes: Sizes, most_local: int) -> None:
    ephemeral = [device for device in devices if device.is_ephemeral]
    swap = [device for device in devices if device.is_swap]
    if sum(d.size or sizes.ephemeral_gib for d in ephemeral) > sizes.ephemeral_gib:
        raise invalid(
            "Ephemeral disks requested are larger than the instance type allows. If no size is "
            "given in one block device mapping, flavor ephemeral size will be used."
        )
    if len(swap) > 1:
        raise invalid("More than one swap drive requested.")
    if swap and (swap[0].size or 0) > sizes.swap_mib:
        raise invalid("Swap drive requested is larger than instance type allows.")
    of_flavor = bool(sizes.ephemeral_gib and not ephemeral) + bool(sizes.swap_mib and not swap)
    local = sum(not device.is_volume for device in devices) + of_flavor
    if 0 <= most_local < local:
        raise invalid("You specified more local devices than the limit allows")


def _named(devices: Sequence[BlockDevice], root_name: str) -> list[BlockDevice]:
    """Every disk has a name: the root its own, the others the one they ask for or the next."""
    taken = {_name(device) for device in devices if device.device_name and not device.is_root}
    taken.add(bare_name(root_name))
    named = []
    for device in devices:
        if device.is_root:
            name = root_name
        elif device.device_name:
            name = full_name(device.device_name)
        else:
            name = next_name(taken, bus=device.disk_bus, root_name=root_name)
        taken.add(bare_name(name))
        named.append(replace(device, device_name=name))
    return named
