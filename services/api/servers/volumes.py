"""Volumes that come to a server and go from it.

Owns: the checks of a request, and how each of the three workflows begins.
May not: connect anything. Crash story: the volume service hears first (`reserving.py`), then
action, workflow and disk are one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from common.db.stores import block_devices as store
from common.db.stores.servers import PlacedServer
from common.domain import block_devices
from common.domain.actions import ATTACH_VOLUME, DETACH_VOLUME, SWAP_VOLUME, Action
from common.domain.block_devices import BlockDevice
from common.domain.server import Server
from common.domain.states import VmState
from common.errors import Conflict, InvalidInput, NotFound
from common.neighbours.volume import Volume
from services.api import versions
from services.api.actions import check, refusal, start_action
from services.api.request import Request
from services.api.servers import reserving
from services.api.servers.creating.planned_disks import too_many

_SHELVED = (VmState.SHELVED, VmState.SHELVED_OFFLOADED)


def find(request: Request) -> BlockDevice:
    """The disk that the path names by its volume; raises `NotFound`."""
    server, volume_id = request.server.server, request.params["id"]
    device = block_devices.of_volume(server.block_devices, volume_id)
    if device is None:
        raise _not_attached(server, volume_id)
    return device


def _not_attached(server: Server, volume_id: str) -> NotFound:
    return NotFound(f"Instance {server.uuid} is not attached to volume {volume_id}")


async def attach(request: Request, asked: dict[str, Any]) -> BlockDevice:
    """Begin; the disk it will be."""
    placed = request.server
    server = placed.server
    _check_shelved(request, ATTACH_VOLUME)
    check(request, ATTACH_VOLUME)
    volume = await reserving.find(request, asked["volumeId"])
    device = _new_disk(request, server.block_devices, asked, volume)
    reserving.check(volume, multiattach=request.v >= versions.MULTIATTACH)
    _check_offloaded(server, device, volume)
    _check_number(request, server.block_devices)
    async with reserving.reserved(request, server.uuid, [volume]) as attachments:
        disk_id, attachment_id = device.uuid, attachments[volume.id]

        def beside(present: Sequence[BlockDevice]) -> BlockDevice:
            """Another request may have come first, and have taken the name."""
            nonlocal device
            _check_number(request, present)
            new = _new_disk(request, present, asked, volume)
            device = replace(new, uuid=disk_id, attachment_id=attachment_id)
            return device

        await start_action(request, ATTACH_VOLUME, {"device": str(disk_id)}, disk=beside)
    return device


def _check_number(request: Request, present: Sequence[BlockDevice]) -> None:
    """Raises `Forbidden` when the server has as many disks as it may have."""
    with_root = any(device.is_root for device in present)
    most = request.app.settings.disks.most
    if 0 <= most <= len(present) + (not with_root):
        raise too_many(most)


def _new_disk(
    request: Request, present: Sequence[BlockDevice], asked: dict[str, Any], volume: Volume
) -> BlockDevice:
    """One more, beside those the server has. Raises `InvalidInput` for what it has already,
    `Conflict` for a name that is taken."""
    if block_devices.of_volume(present, volume.id) is not None:
        raise InvalidInput(f"Invalid volume: volume {volume.id} already attached")
    server, tag = request.server.server, asked.get("tag")
    if tag and tag in _tags(present):
        raise InvalidInput(f"Tag '{tag}' is on another device of the server already.")
    root = server.root_device_name or block_devices.DEFAULT_ROOT
    taken = {device.device_name for device in present if device.device_name} | {root}
    name = asked.get("device")
    if name is None:
        name = block_devices.next_name(taken, root_name=root)
    elif block_devices.bare_name(name) in map(block_devices.bare_name, taken):
        raise Conflict(f"The supplied device path ({name}) is in use.")
    return BlockDevice(
        uuid=request.app.ids.uuid(),
        source_type="volume",
        destination_type="volume",
        device_name=block_devices.full_name(name),
        volume_id=volume.id,
        size=volume.size_gib,
        tag=tag,
        delete_on_termination=asked.get("delete_on_termination", False),
    )


def _tags(present: Sequence[BlockDevice]) -> set[str]:
    return {device.tag for device in present if device.tag}


def _check_shelved(request: Request, action: Action) -> None:
    server = request.server.server
    if server.vm_state in _SHELVED and request.v < versions.VOLUMES_OF_SHELVED:
        raise Conflict(refusal(action, server, "vm_state", server.vm_state))


def _check_offloaded(server: Server, device: BlockDevice, volume: Volume) -> None:
    """There is no host that could be asked whether it can."""
    if server.vm_state != VmState.SHELVED_OFFLOADED:
        return
    if device.tag:
        raise InvalidInput(
            f"Tagged volume attachment is not supported for shelved_offloaded instance "
            f"{server.uuid}."
        )
    if volume.multiattach:
        raise InvalidInput(
            "Attaching multiattach volumes is not supported for shelved-offloaded instances."
        )


async def detach(request: Request) -> None:
    """Begin."""
    server, volume_id = request.server.server, request.params["id"]
    _check_shelved(request, DETACH_VOLUME)
    await reserving.find(request, volume_id)
    device = find(request)
    if device.is_root:
        raise InvalidInput("Cannot detach a root device volume")
    check(request, DETACH_VOLUME)
    _check_host_up(request.server)
    state = {"device": str(device.uuid)}
    if server.host is None:  # nobody is connected: the volume is reserved
        await start_action(request, DETACH_VOLUME, state)
        return
    async with reserving.detaching(request, server.uuid, volume_id):
        await start_action(request, DETACH_VOLUME, state)


def _check_host_up(placed: PlacedServer) -> None:
    if placed.server.host is not None and not placed.host_up:
        raise Conflict(f"Service is unavailable at this time: host {placed.server.host} is down")


async def update(request: Request, asked: dict[str, Any]) -> None:
    """Change whether the volume ends with its server; everything else may only be repeated."""
    server, device = request.server.server, find(request)
    fixed = {
        "id": device.volume_id,
        "serverId": str(server.uuid),
        "device": device.device_name,
        "tag": device.tag,
    }
    for name, value in fixed.items():
        if name in asked and asked[name] != value:
            raise InvalidInput(f"The {name} property is not mutable")
    value = asked.get("delete_on_termination")
    if value is None:
        return
    assert device.volume_id is not None, "it was found by it"
    if not await store.set_delete_on_termination(
        request.app.pool, server.uuid, device.volume_id, value=value
    ):
        raise _not_attached(server, device.volume_id)


async def swap(request: Request, new_volume_id: str) -> None:
    """Begin to put another volume in the place of the one that the path names."""
    server = request.server.server
    old = await reserving.find(request, request.params["id"])
    try:
        new = await reserving.find(request, new_volume_id)
    except NotFound as error:  # named by the body, not by the path
        raise InvalidInput(str(error)) from error
    device = find(request)
    check(request, SWAP_VOLUME)
    _check_host_up(request.server)
    _check_swap(server, old, new)
    async with (
        reserving.detaching(request, server.uuid, old.id),
        reserving.reserved(request, server.uuid, [new]) as attachments,
    ):
        state = {
            "device": str(device.uuid),
            "new_volume": new.id,
            "new_attachment": attachments[new.id],
            "new_size": new.size_gib,
            "migrating": new.migration_status is not None,
        }
        await start_action(request, SWAP_VOLUME, state)


def _check_swap(server: Server, old: Volume, new: Volume) -> None:
    if str(server.uuid) not in {use.server_uuid for use in old.uses}:
        raise InvalidInput("Invalid volume: Old volume is attached to a different instance.")
    if new.uses or new.status != "available":
        raise InvalidInput("Invalid volume: New volume must be detached in order to swap.")
    if new.size_gib < old.size_gib:
        raise InvalidInput("Invalid volume: New volume must be the same size or larger.")
    if old.multiattach and len({use.server_uuid for use in old.uses}) > 1:
        raise InvalidInput(
            "Swapping multi-attach volumes with more than one read/write attachment is not "
            "supported."
        )
