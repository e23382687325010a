"""A disk of a server as the database holds it, and what its volumes make of a server.

Owns: the typed row, which disk is the root, names of devices.
May not: do I/O, or read what a request says; `device_requests.py` does.
Crash story: none, pure functions. A row may be stale the moment after it was read.

A server that boots from its image has no row for that disk unless it was asked for one by one.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal
from uuid import UUID

SourceType = Literal["blank", "image", "snapshot", "volume"]
DestinationType = Literal["local", "volume"]

SWAP = "swap"
"""`guest_format` of a swap disk."""
DEFAULT_ROOT = "/dev/vda"
DISK_BUSES = frozenset({"fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml"})

_PREFIX_OF_BUS = {
    "virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd", "xen": "xvd",
    "uml": "ubd",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """Columns of table block_devices; see common/db/schema.sql for their meaning."""

    uuid: UUID
    source_type: SourceType
    destination_type: DestinationType
    boot_index: int | None = None
    device_name: str | None = None
    volume_id: str | None = None
    attachment_id: str | None = None
    image_id: str | None = None
    snapshot_id: str | None = None
    size: int | None = None
    volume_type: str | None = None
    guest_format: str | None = None
    disk_bus: str | None = None
    device_type: str | None = None
    tag: str | None = None
    delete_on_termination: bool = False

    @property
    def is_root(self) -> bool:
        return self.boot_index == 0

    @property
    def is_volume(self) -> bool:
        return self.destination_type == "volume"

    @property
    def is_made_here(self) -> bool:
        """A volume that the server's build makes, from an image, a snapshot or nothing."""
        return self.is_volume and self.source_type != "volume"

    @property
    def is_swap(self) -> bool:
        return self.destination_type == "local" and self.guest_format == SWAP

    @property
    def is_ephemeral(self) -> bool:
        return self.destination_type == "local" and self.source_type == "blank" and not self.is_swap

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> BlockDevice:
        """From a row as JSON."""
        return cls(UUID(row["uuid"]), *(row[name] for name in COLUMNS[1:]))


COLUMNS = tuple(field.name for field in fields(BlockDevice))


def devices(rows: Iterable[Mapping[str, Any]] | None) -> tuple[BlockDevice, ...]:
    """From rows as a query aggregates them; None: there are none."""
    return tuple(map(BlockDevice.from_json, rows or ()))


def root(found: Iterable[BlockDevice]) -> BlockDevice | None:
    """The disk that the server boots from, when it has a row."""
    return next((device for device in found if device.is_root), None)


def is_volume_backed(found: Iterable[BlockDevice]) -> bool:
    """Its root disk is a volume, so that nothing of it is lost with its host."""
    device = root(found)
    return device is not None and device.is_volume


def volumes(found: Iterable[BlockDevice]) -> list[BlockDevice]:
    return [device for device in found if device.is_volume]


def attached(found: Iterable[BlockDevice]) -> list[BlockDevice]:
    """Disks whose volume is the server's; a build that failed has let go of them."""
    return [device for device in found if device.volume_id and device.attachment_id]


def of_volume(found: Iterable[BlockDevice], volume_id: str) -> BlockDevice | None:
    """The disk that this volume is."""
    return next((device for device in attached(found) if device.volume_id == volume_id), None)


# Names


def full_name(name: str) -> str:
    """`vdb` as `/dev/vdb`."""
    return name if name.startswith("/dev/") else f"/dev/{name}"


def bare_name(name: str) -> str:
    """`/dev/vdb1` as `vdb`: partitions are part of their disk."""
    return name.removeprefix("/dev/").rstrip(string.digits)


def next_name(taken: Collection[str], *, bus: str | None = None, root_name: str) -> str:
    """The first free name on the bus; without a bus, beside the root disk."""
    prefix = _PREFIX_OF_BUS.get(bus or "") or _prefix(root_name)
    used = {bare_name(name) for name in taken}
    return next(
        f"/dev/{prefix}{letters}" for letters in _letters() if f"{prefix}{letters}" not in used
    )


def _prefix(name: str) -> str:
    bare = bare_name(name)
    return next(
        (known for known in ("xvd", "ubd", "vd", "sd", "hd", "fd") if bare.startswith(known)), "vd"
    )


def _letters() -> Iterator[str]:
    """a, b ... z, aa, ab ..."""
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield "".join(letters)
