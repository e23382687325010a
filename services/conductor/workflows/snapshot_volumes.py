"""Make an image of a server whose root disk is a volume; no state changes.

    snapshots   one of each volume, in the requester's name        undo: delete them, and the image
    image       it names them as the disks of servers that are made of it, and has no data itself

Input: state {"image_id": a queued image, "name", "sealed_token"}.
"""

from __future__ import annotations

import json
from typing import Any

from common.db.stores.commit import Leftover
from common.domain.block_devices import BlockDevice, attached
from common.domain.device_requests import IMAGE_DEVICES
from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import imaging, snapshotting

EVENT = "api_snapshot_instance"

_KEPT = (
    "boot_index", "device_name", "device_type", "disk_bus", "guest_format", "tag", "volume_type",
    "delete_on_termination",
)  # fmt: skip


async def snapshots(context: Context) -> None:
    state = context.state
    context.event_start(EVENT, context.server.host)
    made = {
        str(device.uuid): await snapshotting.take(context, device, state["image_id"], state["name"])
        for device in attached(context.server.block_devices)
    }
    for snapshot_id in made.values():
        await snapshotting.wait(context, snapshot_id)
    state["snapshots"] = made


async def snapshots_undo(context: Context) -> None:
    image_id = context.state["image_id"]
    for device in attached(context.server.block_devices):
        await snapshotting.drop(context.deps.volume, str(device.volume_id), image_id)
    await imaging.remove(context, image_id)


def left(context: Context) -> list[Leftover]:
    return [
        *imaging.left(context),
        *(
            snapshotting.left(str(device.volume_id), context.state["image_id"])
            for device in attached(context.server.block_devices)
        ),
    ]


async def image(context: Context) -> None:
    server, state = context.server, context.state
    disks = [_entry(device, state["snapshots"]) for device in server.block_devices]
    await imaging.describe(
        context,
        state["image_id"],
        {
            IMAGE_DEVICES: json.dumps(disks),
            "bdm_v2": "True",
            "root_device_name": server.root_device_name or "",
        },
    )
    context.event_finish(EVENT)


def _entry(device: BlockDevice, made: dict[str, str]) -> dict[str, Any]:
    """A disk as `block_device_mapping_v2` has it."""
    snapshot_id = made.get(str(device.uuid))
    return {
        "source_type": "snapshot" if snapshot_id else device.source_type,
        "destination_type": device.destination_type,
        "snapshot_id": snapshot_id,
        "image_id": None if snapshot_id else device.image_id,
        "volume_id": None,
        "volume_size": device.size,
        "no_device": None,
        **{name: getattr(device, name) for name in _KEPT},
    }


def failed(context: Context) -> None:
    error = context.error or MusterError()
    if context.failed_step == "snapshots":  # what it started was not committed
        context.event(EVENT, context.server.host, error=error)
    else:
        context.event_finish(EVENT, error)


SNAPSHOT_VOLUMES = Definition(
    "snapshot_volumes",
    (
        Step("snapshots", snapshots, snapshots_undo, deadline_s=240, undo_deadline_s=60, left=left),
        Step("image", image, deadline_s=60),
    ),
    failed=failed,
)
