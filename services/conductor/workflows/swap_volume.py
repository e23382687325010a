"""Put another volume in the place of one that a server has; its states do not change.

    connect   the host is connected to the new volume      undo: give it back
    swap      the guest's data are copied over, then it has the new volume; with this commit the
              disk is the new volume                       undo: it has the old one
    release   the old attachment goes; a migration of the volume is completed

The request has reserved the new volume and begun to detach the old one. Input: state {"device":
the disk, "new_volume", "new_attachment", "new_size", "migrating": whether the volume service asked
for it}.
"""

from __future__ import annotations

from contextlib import suppress

from common.db.stores.commit import Leftover
from common.domain.block_devices import BlockDevice
from common.errors import Conflict, InvalidInput, MusterError, NotFound
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import making_volumes, volumes

EVENT = "compute_swap_volume"


def _device(context: Context) -> BlockDevice:
    found = volumes.disk(context.server, context.state["device"])
    if found is None or found.volume_id is None or found.attachment_id is None:
        raise Conflict("the volume is not the server's any more")
    return found


def _host(context: Context) -> str:
    if context.server.host is None:
        raise Conflict(f"Instance {context.server.uuid} is not ready")
    return context.server.host


async def connect(context: Context) -> None:
    host, device = _host(context), _device(context)
    context.event_start(EVENT, host)
    context.state.update(
        old_volume=device.volume_id, old_attachment=device.attachment_id, old_size=device.size
    )
    how = await volumes.connector(context, host)
    await volumes.connect(context, device, context.state["new_attachment"], how)


async def connect_undo(context: Context) -> None:
    state, volume = context.state, context.deps.volume
    await volume.attachment_delete(state["new_attachment"])
    device = volumes.disk(context.server, state["device"])
    if device is None or device.volume_id is None:
        return
    if state.get("migrating"):
        with suppress(InvalidInput, NotFound):  # it has heard so already
            await volume.complete_migration(device.volume_id, state["new_volume"], error=True)
    with suppress(InvalidInput, NotFound):  # it is not detaching any more
        await volume.roll_detaching(device.volume_id)


def connect_left(context: Context) -> list[Leftover]:
    return volumes.left(context)


async def swap(context: Context) -> None:
    state, device = context.state, _device(context)
    await _put(context, device, away=state["old_volume"], attachment_id=state["new_attachment"])
    await context.deps.volume.attachment_complete(state["new_attachment"])
    context.event_finish(EVENT)
    making_volumes.parted(context, device)
    context.change_device(
        device,
        volume_id=state["new_volume"],
        attachment_id=state["new_attachment"],
        size=state["new_size"],
    )


async def swap_undo(context: Context) -> None:
    state, device = context.state, _device(context)
    with suppress(NotFound):  # it has neither
        await _put(context, device, away=state["new_volume"], attachment_id=state["old_attachment"])


def swap_left(context: Context) -> list[Leftover]:
    """The new volume is free for others next. A guest that cannot be asked must not keep it; it
    gets the old one with its next hard reboot."""
    return [volumes.at_guest(context.state["new_volume"])]


async def _put(context: Context, device: BlockDevice, *, away: str, attachment_id: str) -> None:
    """Have the guest use the volume of this attachment instead of `away`."""
    disk = await volumes.for_disk(context, device, attachment_id)
    await context.command(
        "swap_volume",
        host=_host(context),
        generation=context.server.generation,
        old_volume_id=away,
        volume=disk.model_dump(),
    )


async def release(context: Context) -> None:
    state, volume = context.state, context.deps.volume
    await volume.attachment_delete(state["old_attachment"])
    if state.get("migrating"):
        kept = await volume.complete_migration(state["old_volume"], state["new_volume"])
        context.change_device(_device(context), volume_id=kept)


def failed(context: Context) -> None:
    error = context.error or MusterError()
    if context.failed_step == "connect":  # what it started was not committed
        context.event(EVENT, context.server.host, error=error)
    else:
        context.event_finish(EVENT, error)


SWAP_VOLUME = Definition(
    "swap_volume",
    (
        Step("connect", connect, connect_undo, deadline_s=60, left=connect_left),
        Step(
            "swap",
            swap,
            swap_undo,
            deadline_s=300,
            pivot=True,
            undo_deadline_s=120,
            left=swap_left,
        ),
        Step("release", release, deadline_s=60, left=volumes.left),
    ),
    failed=failed,
)
