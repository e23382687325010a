"""Volumes that a build makes, and the volumes of a server that ends.

Owns: making them from an image, a snapshot or nothing, waiting until they can be used, and
deleting them when their server ends or its build fails.
May not: delete a volume that the user brought, unless that is what the user asked for.
Crash story: a volume that is made says in its metadata which disk it is for, so that a repeated
step finds it again and deletes doubles.
"""

from __future__ import annotations

import structlog

from common.auth.sealing import unseal
from common.db.stores.commit import Leftover
from common.domain.block_devices import BlockDevice
from common.errors import Conflict, Forbidden, InvalidInput, NotFound
from common.neighbours.volume import Volume, VolumeClient
from services.conductor.engine.context import Context

log = structlog.get_logger(__name__)

MARK = "muster_disk"
"""Key of a volume's metadata: the disk it was made for."""
REQUESTER = "sealed_token"
"""Key of the state: the requester's token; a volume belongs to the project whose token makes it."""

_UNDER_WAY = frozenset({"creating", "downloading"})
_FIRST_LOOK_S, _LONGEST_PAUSE_S = 0.05, 2.0


async def make(context: Context, device: BlockDevice) -> BlockDevice:
    """The disk with its volume, which is or soon will be available."""
    if device.volume_id is not None:
        return device
    found = None
    if context.resumed or context.workflow.attempt:
        found = await _made_before(context, device)
    made = found or await _create(context, device)
    return context.change_device(device, volume_id=made.id, size=made.size_gib)


async def _create(context: Context, device: BlockDevice) -> Volume:
    context.lease.check()
    return await context.deps.volume.create_volume(
        device.size,
        "",
        image_id=device.image_id,
        snapshot_id=device.snapshot_id,
        volume_type=device.volume_type,
        metadata={MARK: str(device.uuid)},
        token=requester_token(context),
    )


def requester_token(context: Context) -> str | None:
    """What is made with it is the requester's, not the service's own."""
    sealed = context.state.get(REQUESTER)
    return None if sealed is None else unseal(sealed, context.deps.settings.sealing_key)


async def _made_before(context: Context, device: BlockDevice) -> Volume | None:
    """Of doubles the one with the lowest id stays."""
    volume = context.deps.volume
    found = await made_for(volume, str(device.uuid))
    for surplus in found[1:]:
        context.lease.check()
        await _delete(context, surplus.id)
    return found[0] if found else None


async def made_for(volume: VolumeClient, device_uuid: str) -> list[Volume]:
    """Volumes that were made for the disk, also by a run that has not written it down."""
    found = await volume.volumes(metadata=str({MARK: device_uuid}))
    return sorted((each for each in found if each.status != "deleting"), key=lambda each: each.id)


async def is_under_way(context: Context, volume_id: str) -> bool:
    """Whether the volume service is still writing it."""
    return (await context.deps.volume.volume(volume_id)).status in _UNDER_WAY


async def wait(context: Context, volume_id: str) -> None:
    """Until the volume can be used; raises `Conflict` when it cannot be made."""
    clock, pause_s = context.deps.clock, _FIRST_LOOK_S
    while (found := await context.deps.volume.volume(volume_id)).status in _UNDER_WAY:
        await clock.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
    if found.status.startswith("error"):
        raise Conflict(
            f"Volume {volume_id} did not finish being created: its status is {found.status}."
        )


async def unmake(context: Context) -> None:
    """A build has failed for good: what it made goes, what was brought is free again."""
    volume, server = context.deps.volume, context.server
    context.lease.check()
    for attachment in await volume.attachments(server_uuid=str(server.uuid)):
        await volume.attachment_delete(attachment.id)
    for device in server.volumes:
        if device.is_made_here:
            for made in await made_for(volume, str(device.uuid)):
                await _delete(context, made.id)
            context.change_device(device, volume_id=None, attachment_id=None)
        else:
            context.change_device(device, attachment_id=None)


async def end(context: Context) -> None:
    """The server ends: nothing is attached to it, and what was to end with it does."""
    volume, server = context.deps.volume, context.server
    if not server.volumes:
        return
    for attachment in await volume.attachments(server_uuid=str(server.uuid)):
        await volume.attachment_delete(attachment.id)
    for device in server.volumes:
        if device.volume_id is None and device.is_made_here:
            for made in await made_for(volume, str(device.uuid)):
                await _delete(context, made.id)
        elif device.volume_id is not None and _ends_with_server(device):
            await _delete(context, device.volume_id)


def _ends_with_server(device: BlockDevice) -> bool:
    """Not one that a failed build has let go of: it may be another server's by now, or may have
    been, and hold what was written there."""
    return device.delete_on_termination and device.attachment_id is not None


async def _delete(context: Context, volume_id: str) -> None:
    if not await delete(context.deps.volume, volume_id):
        context.changes.leftovers.append(volume_left(volume_id, "it is still being made"))


async def delete(volume: VolumeClient, volume_id: str) -> bool:
    """Delete it; False when that must be asked for again because it is still being made. What the
    service refuses to delete, because it has snapshots or another server uses it, stays as it
    is."""
    try:
        await volume.delete_volume(volume_id)
    except (InvalidInput, Conflict, Forbidden) as error:
        try:
            status = (await volume.volume(volume_id)).status
        except NotFound:
            return True
        if status in _UNDER_WAY:
            return False
        log.warning("volume_not_deleted", volume=volume_id, status=status, error=str(error))
    return True


def volume_left(volume_id: str, reason: str = "") -> Leftover:
    return Leftover("volume", {"id": volume_id}, reason)


def made_left(context: Context) -> list[Leftover]:
    """For `Step.left` of a build: what was made for its disks and is not theirs in the end."""
    made = [device for device in context.server.volumes if device.is_made_here]
    return [Leftover("volume", {"made_for": str(device.uuid)}, "") for device in made]


def parted(context: Context, device: BlockDevice) -> None:
    """With this step the volume is the server's no more, though its build has made it: whoever has
    it writes to it, so nobody may delete it as one that was made too much."""
    if device.is_made_here:
        context.changes.settled = Leftover("volume", {"made_for": str(device.uuid)}, "")


def end_left(context: Context) -> list[Leftover]:
    """For `Step.left` of the end of a server."""
    volumes = context.server.volumes
    if not volumes:
        return []
    ending = [
        volume_left(device.volume_id)
        for device in volumes
        if device.volume_id is not None and _ends_with_server(device)
    ]
    return [Leftover("attachments", {}, ""), *ending]
