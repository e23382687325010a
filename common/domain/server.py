"""A server as the database holds it.

Owns: the typed row every service reads. May not: be changed in place; writes go through
common/db/stores/servers.py. Crash story: a row may be stale the moment after it was read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from common.domain import block_devices
from common.domain.block_devices import BlockDevice
from common.domain.states import status


@dataclass(frozen=True, slots=True)
class Server:
    """Columns of table servers; see common/db/schema.sql for their meaning."""

    uuid: UUID
    project_id: str
    user_id: str
    name: str
    hostname: str
    description: str | None
    reservation_id: str
    launch_index: int
    vm_state: str
    task_state: str | None
    power_state: int
    generation: int
    last_generation: int
    progress: int
    host: str | None
    node: str | None
    availability_zone: str | None
    pinned_availability_zone: str | None
    flavor: dict[str, Any]
    old_flavor: dict[str, Any] | None
    flavorid: str
    vcpus: int
    memory_mib: int
    root_gib: int
    ephemeral_gib: int
    swap_mib: int
    image_ref: str | None
    image_properties: dict[str, Any]
    kernel_id: str
    ramdisk_id: str
    root_device_name: str | None
    config_drive: str
    auto_disk_config: bool
    key_name: str | None
    key_data: str | None
    user_data: str | None
    metadata: dict[str, str]
    system_metadata: dict[str, Any]
    tags: list[str]
    security_groups: list[Any]
    requested_networks: Any
    network_info: list[dict[str, Any]]
    access_ip_v4: str | None
    access_ip_v6: str | None
    scheduler_hints: dict[str, Any]
    trusted_certs: list[str] | None
    server_group: UUID | None
    locked_by: str | None
    locked_reason: str | None
    fault: dict[str, Any] | None
    created_at: dt.datetime
    updated_at: dt.datetime
    launched_at: dt.datetime | None
    terminated_at: dt.datetime | None
    deleted_at: dt.datetime | None
    block_devices: tuple[BlockDevice, ...]
    """Not a column: rows of table block_devices, read together with the server's."""

    @property
    def status(self) -> str:
        return status(self.vm_state, self.task_state)

    @property
    def is_volume_backed(self) -> bool:
        """Its root disk is a volume."""
        return block_devices.is_volume_backed(self.block_devices)

    @property
    def volumes(self) -> list[BlockDevice]:
        return block_devices.volumes(self.block_devices)

    @property
    def disk_gib(self) -> int:
        """A root disk that is a volume takes nothing of its host's."""
        root_gib = 0 if self.is_volume_backed else self.root_gib
        return disk_gib(root_gib, self.ephemeral_gib, self.swap_mib)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Server:
        """From a record that has every column and `block_devices` as JSON; others in it are
        ignored."""
        devices = block_devices.devices(row["block_devices"])
        return cls(*[*(row[name] for name in COLUMNS), devices])


def disk_gib(root_gib: int, ephemeral_gib: int, swap_mib: int) -> int:
    """What a server claims on a host: root, ephemeral and swap rounded up to whole GiB."""
    return root_gib + ephemeral_gib + -(-swap_mib // 1024)


COLUMNS = tuple(f.name for f in fields(Server) if f.name != "block_devices")
