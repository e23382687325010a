"""Let a guest see that volumes of its server have grown; its states do not change.

    extend   the host enlarges the disks; a guest that is off finds them enlarged when it starts
             undo: the volume service hears that it failed, where it waits for that

Input: state {"devices": disks}.
"""

from __future__ import annotations

from common.domain.block_devices import BlockDevice
from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import volumes

EVENT = "compute_extend_volume"
_NEW_SIZE = "extend_new_size"
"""Key of a volume's metadata while the volume service waits for the host."""


def _disks(context: Context) -> list[BlockDevice]:
    """Those that the server still has."""
    found = [volumes.disk(context.server, uuid) for uuid in context.state["devices"]]
    return [device for device in found if device is not None and device.volume_id is not None]


async def extend(context: Context) -> None:
    started, server = context.deps.clock.monotonic(), context.server
    for device in _disks(context):
        await _extend(context, device)
    context.event(EVENT, server.host, started)


async def _extend(context: Context, device: BlockDevice) -> None:
    server, volume = context.server, context.deps.volume
    assert device.volume_id is not None, "only such"
    found = await volume.volume(device.volume_id)
    size_gib = int(found.metadata.get(_NEW_SIZE, found.size_gib))
    if server.host is not None:
        await context.command(
            "extend_volume",
            host=server.host,
            generation=server.generation,
            volume_id=device.volume_id,
            size_gib=size_gib,
        )
    if found.status == "extending":
        await volume.extend_completed(device.volume_id)
    context.change_device(device, size=size_gib)


async def extend_undo(context: Context) -> None:
    """The volume service that waits for the host is told that it failed."""
    volume = context.deps.volume
    for device in _disks(context):
        assert device.volume_id is not None, "only such"
        if (await volume.volume(device.volume_id)).status == "extending":
            await volume.extend_completed(device.volume_id, error=True)


def failed(context: Context) -> None:
    context.event(EVENT, context.server.host, error=context.error or MusterError())


EXTEND_VOLUME = Definition(
    "extend_volume", (Step("extend", extend, extend_undo, deadline_s=60),), failed=failed
)
