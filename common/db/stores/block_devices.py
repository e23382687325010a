"""Disks of servers as requests see and change them.

Owns: rows of `block_devices` that requests add, and what they write to them at once.
May not: change which volume a disk is; that is part of the commits of workflows.
Crash story: each function is one statement.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool
from common.domain.block_devices import BlockDevice, devices

if TYPE_CHECKING:
    from common.db.stores.quotas import Executor

_sql = load("block_devices")


def as_json(device: BlockDevice) -> dict[str, Any]:
    """The columns, as a statement takes them."""
    return {**asdict(device), "uuid": str(device.uuid)}


async def add(db: Executor, server_uuid: UUID, device: BlockDevice) -> bool:
    """False: the server is gone, or has this volume already."""
    row = await _sql.add(db, server_uuid=server_uuid, device=as_json(device))
    return row is not None


async def of_server(db: Executor, server_uuid: UUID) -> tuple[BlockDevice, ...]:
    """The disks of a server, as they are now."""
    return devices([row["disk"] async for row in _sql.of_server(db, server_uuid=server_uuid)])


@dataclass(frozen=True)
class Known:
    """What may stay in the volume service for a server."""

    attachments: frozenset[str]
    """Those its disks name."""
    reserving: frozenset[str]
    """Volumes that requests are about to reserve: their attachments are not over."""
    busy: bool
    """A workflow has begun, or waits: what is named by no disk may be what it makes."""


async def known(pool: Pool, server_uuid: UUID) -> Known:
    """As it is now, whatever a workflow has read before."""
    row = await _sql.attachments(pool, server_uuid=server_uuid)
    return Known(frozenset(row["named"]), frozenset(row["reserving"]), row["busy"])


async def servers_of_volume(pool: Pool, volume_id: str) -> list[UUID]:
    """Servers that have the volume as a disk; several only when it is shared."""
    return [row["server_uuid"] async for row in _sql.servers_of_volume(pool, volume_id=volume_id)]


async def set_delete_on_termination(
    pool: Pool, server_uuid: UUID, volume_id: str, *, value: bool
) -> bool:
    """False: the server has no such volume."""
    row = await _sql.set_delete_on_termination(
        pool, server_uuid=server_uuid, volume_id=volume_id, value=value
    )
    return row is not None
