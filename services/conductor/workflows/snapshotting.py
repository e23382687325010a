"""Snapshots of volumes that images are made of.

Owns: taking them, waiting for them, deleting those of an image that was not made.
May not: delete one that an image names. Crash story: a snapshot says in its description which image
it is for, so that a repeated step finds it again and deletes doubles.
"""

from __future__ import annotations

from common.db.stores.commit import Leftover
from common.domain.block_devices import BlockDevice
from common.domain.device_requests import IMAGE_DEVICES
from common.errors import Conflict, NotFound
from common.neighbours.image import ImageClient
from common.neighbours.volume import Snapshot, VolumeClient
from services.conductor.engine.context import Context
from services.conductor.workflows.making_volumes import requester_token

_FIRST_LOOK_S, _LONGEST_PAUSE_S = 0.05, 2.0


async def take(context: Context, device: BlockDevice, image_id: str, name: str) -> str:
    """The id of the volume's snapshot for the image."""
    volume = context.deps.volume
    assert device.volume_id is not None, "it is attached"
    context.lease.check()
    if context.resumed:
        found = await taken(volume, device.volume_id, image_id)
        for double in found[1:]:
            await volume.delete_snapshot(double.id)
        if found:
            return found[0].id
    made = await volume.create_snapshot(
        device.volume_id,
        f"snapshot for {name}",
        description=_description(image_id),
        force=True,
        token=requester_token(context),
    )
    return made.id


def _description(image_id: str) -> str:
    return f"for image {image_id}"


async def taken(volume: VolumeClient, volume_id: str, image_id: str) -> list[Snapshot]:
    found = await volume.snapshots(volume_id=volume_id)
    mine = [each for each in found if each.description == _description(image_id)]
    return sorted(mine, key=lambda snapshot: snapshot.id)


async def wait(context: Context, snapshot_id: str) -> None:
    """Until it can be used; raises `Conflict` when it cannot be made."""
    clock, pause_s = context.deps.clock, _FIRST_LOOK_S
    while (found := await context.deps.volume.snapshot(snapshot_id)).status == "creating":
        await clock.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
    if found.status.startswith("error"):
        raise Conflict(f"Snapshot {snapshot_id} cannot be made: its status is {found.status}.")


async def drop(volume: VolumeClient, volume_id: str, image_id: str) -> None:
    for snapshot in await taken(volume, volume_id, image_id):
        await volume.delete_snapshot(snapshot.id)


def left(volume_id: str, image_id: str) -> Leftover:
    return Leftover("snapshot", {"volume_id": volume_id, "image_id": image_id}, "")


async def settle(volume: VolumeClient, image: ImageClient, volume_id: str, image_id: str) -> None:
    """Delete what was taken for the image and is not named by it."""
    try:
        named = (await image.get(image_id)).properties.get(IMAGE_DEVICES, "")
    except NotFound:
        named = ""
    for snapshot in await taken(volume, volume_id, image_id):
        if snapshot.id not in named:
            await volume.delete_snapshot(snapshot.id)
