"""Volumes of a server in the volume service: who is attached to them, and by which host.

Owns: attachments: making, connecting, replacing and giving them back.
May not: touch an attachment of another server, or a volume that a request is about to reserve.
Crash story: the attachment that counts is the one that the disk's row names. Whatever else the
server has in the volume service is over, or was made by a step that is being repeated: the
repeated step uses what is not connected yet and deletes the rest. What a run without its lease
made too late is left to the reconciler, which makes the volume service agree with the rows
(`settle`).

No attachment that a row names is deleted before another one, or none, is committed: a step that is
given up leaves too many, never too few. A server that changes its host has two attachments of each
volume for a while: a second one for the destination (`attach_at`), whose commit makes it the
server's (`adopt`), and then the old one goes (`let_go`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from common.db.pool import Pool
from common.db.stores import block_devices as store
from common.db.stores.block_devices import Known
from common.db.stores.commit import Leftover
from common.domain.block_devices import BlockDevice
from common.domain.server import Server
from common.errors import NotFound
from common.messages.compute import VolumeDevice
from common.neighbours.volume import Attachment, VolumeClient
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Step

ATTACHMENTS = "attachments"
"""Key of the state: device to its second attachment."""
AT_GUEST = "at_guest"
"""Key of a leftover, and of the state of the detach that clears it up: the volume."""


def needed(context: Context) -> bool:
    """For `Step.needed`."""
    return bool(context.server.volumes)


def left(context: Context) -> list[Leftover]:
    """For `Step.left`: attachments that are not the server's."""
    return [Leftover("attachments", {}, "")] if needed(context) else []


def disk(server: Server, uuid: str) -> BlockDevice | None:
    """The server's disk that a workflow's state names; None when it has it no more."""
    return next((device for device in server.block_devices if str(device.uuid) == uuid), None)


# Connecting


async def connector(context: Context, host: str) -> Mapping[str, Any]:
    """How the volume service must know the host."""
    reply = await context.command(
        "volume_connector", host=host, generation=context.server.last_generation
    )
    found: Mapping[str, Any] = reply.result["connector"]
    return found


async def connect(
    context: Context, device: BlockDevice, attachment_id: str, how: Mapping[str, Any]
) -> None:
    """Connect a host to the volume; repeatable. Completed once the host says that it has it."""
    where = {} if device.device_name is None else {"mountpoint": device.device_name}
    await context.deps.volume.attachment_update(attachment_id, {**how, **where})


async def reserve(
    context: Context, devices: Sequence[BlockDevice]
) -> list[tuple[BlockDevice, str]]:
    """The attachment of each disk; made for those that have none."""
    spare: dict[str, list[Attachment]] = defaultdict(list)
    if context.resumed or context.workflow.attempt:
        spare = await _spare(context)
    reserved = []
    for device in devices:
        attachment_id = device.attachment_id or await _reserved(context, device, spare)
        context.change_device(device, attachment_id=attachment_id)
        reserved.append((device, attachment_id))
    return reserved


async def attach_at(context: Context, host: str) -> None:
    """A second attachment of each volume, connected to `host`."""
    devices = _with_volumes(context.server.volumes)
    if not devices:
        return
    how = await connector(context, host)
    spare = await _spare(context)
    made: dict[str, str] = {}
    for device in devices:
        attachment_id = await _reserved(context, device, spare)
        await connect(context, device, attachment_id, how)
        await context.deps.volume.attachment_complete(attachment_id)
        made[str(device.uuid)] = attachment_id
    context.state[ATTACHMENTS] = made


def adopt(context: Context) -> None:
    """With this step the second attachments are the server's. Pure."""
    made: Mapping[str, str] = context.state.get(ATTACHMENTS, {})
    for device in context.server.volumes:
        if (attachment_id := made.get(str(device.uuid))) is not None:
            context.change_device(device, attachment_id=attachment_id)


async def let_go(context: Context) -> None:
    """Delete the attachments that are not the server's: second ones that were not adopted, or
    those that they have replaced."""
    if needed(context):
        for attachment in await _strays(context):
            await context.deps.volume.attachment_delete(attachment.id)


async def reserve_anew(context: Context, devices: Sequence[BlockDevice] | None = None) -> None:
    """With this step an attachment without a host takes the place of each, or of those of
    `devices`: the volume stays the server's when the old ones go (`let_go`)."""
    chosen = _with_volumes(context.server.volumes if devices is None else devices)
    if not chosen:
        return
    spare = await _spare(context)
    for device in chosen:
        context.change_device(device, attachment_id=await _reserved(context, device, spare))


async def mend(context: Context, device: BlockDevice, host: str) -> BlockDevice:
    """Have the disk's attachment connected to `host`, whatever a step has left of it."""
    attachment_id, volume = device.attachment_id, context.deps.volume
    if attachment_id is not None:
        try:
            found = await volume.attachment(attachment_id)
        except NotFound:
            attachment_id = None
        else:
            if found.status == "attached":
                return device
    if attachment_id is None:
        attachment_id = await _reserved(context, device, await _spare(context))
    await connect(context, device, attachment_id, await connector(context, host))
    await volume.attachment_complete(attachment_id)
    return context.change_device(device, attachment_id=attachment_id)


async def _spare(context: Context) -> dict[str, list[Attachment]]:
    """Attachments, by volume, that an earlier try of this step has reserved and not used; what else
    is not the server's is deleted."""
    spare: dict[str, list[Attachment]] = defaultdict(list)
    volume = context.deps.volume
    for attachment in await _strays(context):
        if attachment.status == "reserved" and not spare[attachment.volume_id]:
            spare[attachment.volume_id].append(attachment)
        else:
            await volume.attachment_delete(attachment.id)
    return spare


async def _reserved(
    context: Context, device: BlockDevice, spare: dict[str, list[Attachment]]
) -> str:
    assert device.volume_id is not None, "only disks that have their volume"
    if spare[device.volume_id]:
        return spare[device.volume_id].pop().id
    made = await context.deps.volume.attachment_create(device.volume_id, str(context.server.uuid))
    return made.id


def _with_volumes(devices: Iterable[BlockDevice]) -> list[BlockDevice]:
    """A build that failed leaves disks whose volume was not made."""
    return [device for device in devices if device.volume_id is not None]


LET_GO = Step("let_volumes_go", let_go, deadline_s=60, needed=needed, left=left)
"""After the pivot: attachments that were replaced are over."""


# What a host is told


async def for_guest(
    context: Context, attachments: Mapping[str, str] | None = None
) -> list[VolumeDevice]:
    """The server's volumes as a host must know them, by these attachments where given (device to
    attachment), else by the server's own."""
    chosen = attachments or {}
    return [
        await for_disk(context, device, attachment_id)
        for device in context.server.volumes
        if (attachment_id := chosen.get(str(device.uuid)) or device.attachment_id) is not None
    ]


async def for_destination(context: Context) -> list[VolumeDevice]:
    """By the second attachments."""
    return await for_guest(context, context.state.get(ATTACHMENTS))


async def for_disk(context: Context, device: BlockDevice, attachment_id: str) -> VolumeDevice:
    """How the host reaches it is asked each time: it may hold credentials, which are not kept."""
    attachment = await context.deps.volume.attachment(attachment_id)
    return VolumeDevice(
        volume_id=attachment.volume_id,
        attachment_id=attachment.id,
        device_name=device.device_name,
        size_gib=device.size or 0,
        boot_index=device.boot_index,
        disk_bus=device.disk_bus,
        device_type=device.device_type,
        tag=device.tag,
        read_only=attachment.mode == "ro",
        connection=attachment.connection,
    )


async def give(context: Context, device: BlockDevice, host: str) -> None:
    """Have the guest use the disk by its attachment; raises `NotFound` without a guest."""
    assert device.attachment_id is not None, "it is connected"
    known = await for_disk(context, device, device.attachment_id)
    await context.command(
        "attach_volume",
        host=host,
        generation=context.server.generation,
        volume=known.model_dump(),
    )


async def take(context: Context, volume_id: str, host: str) -> None:
    """Have the guest give the volume up. A guest that is gone has no disk."""
    with suppress(NotFound):
        await context.command(
            "detach_volume",
            host=host,
            generation=context.server.generation,
            volume_id=volume_id,
        )


def at_guest(volume_id: str) -> Leftover:
    """A volume that the guest may have though the server has it not."""
    return Leftover("attachments", {AT_GUEST: volume_id}, "")


# Agreement


async def settle(
    pool: Pool, volume: VolumeClient, server_uuid: UUID, *, only: str | None = None
) -> bool:
    """Delete the attachments of a server at rest that its disks do not name; `only`: of this
    volume, also when a request was about to reserve it. False: a workflow has come meanwhile, and
    they may be what it is making; nothing was done."""
    found = await volume.attachments(server_uuid=str(server_uuid), volume_id=only)
    known = await store.known(pool, server_uuid)
    if known.busy:
        return False
    reserving = known.reserving if only is None else frozenset[str]()
    for attachment in _not_known(found, known, reserving):
        await volume.attachment_delete(attachment.id)
    return True


async def _strays(context: Context) -> Sequence[Attachment]:
    """Of the server that the workflow owns."""
    server_uuid = context.server.uuid
    found = await context.deps.volume.attachments(server_uuid=str(server_uuid))
    known = await store.known(context.deps.pool, server_uuid)
    context.lease.check()
    return _not_known(found, known, known.reserving)


def _not_known(
    found: Sequence[Attachment], known: Known, reserving: Collection[str]
) -> Sequence[Attachment]:
    """In a fixed order. `known` is read after the attachments: what was reserved meanwhile is
    either not among these or known by then."""
    strays = [a for a in found if a.id not in known.attachments and a.volume_id not in reserving]
    return sorted(strays, key=lambda attachment: attachment.id)
