"""Detach a volume from a server; its states do not change.

    detach    the guest gives the disk up          undo: it has it again, and the volume is in use
    release   the attachment goes; with this commit the disk is the server's no more

The request has told the volume service that it begins, so that no other can. For a volume that is
no disk of the server it makes sure of the guest only: that is how one is removed that a silent host
may have given it. Input: state {"device": the disk} or {"device": "", "at_guest": the volume}.
"""

from __future__ import annotations

from contextlib import suppress

from common.db.stores.commit import Leftover
from common.errors import InvalidInput, MusterError, NotFound
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import making_volumes, volumes

EVENT = "compute_detach_volume"
WITHOUT_HOST = "api_detach_volume"


def _event(context: Context) -> str:
    return WITHOUT_HOST if context.server.host is None else EVENT


async def detach(context: Context) -> None:
    server, device = context.server, volumes.disk(context.server, context.state["device"])
    context.event_start(_event(context), server.host)
    volume_id = device.volume_id if device is not None else _unknown(context)
    if server.host is not None and volume_id is not None:
        await volumes.take(context, volume_id, server.host)


def _unknown(context: Context) -> str | None:
    """The volume that the guest may have unknown to the server; None: it has become the server's
    meanwhile."""
    volume_id: str | None = context.state.get(volumes.AT_GUEST)
    found = context.server.volumes
    return volume_id if all(device.volume_id != volume_id for device in found) else None


async def detach_undo(context: Context) -> None:
    server, device = context.server, volumes.disk(context.server, context.state["device"])
    if device is None or device.volume_id is None or device.attachment_id is None:
        return
    if server.host is not None:
        with suppress(NotFound):
            await volumes.give(context, device, server.host)
    with suppress(InvalidInput, NotFound):  # it is not detaching any more
        await context.deps.volume.roll_detaching(device.volume_id)


def left(context: Context) -> list[Leftover]:
    return volumes.left(context)


async def release(context: Context) -> None:
    device = volumes.disk(context.server, context.state["device"])
    if device is not None and device.attachment_id is not None:
        await context.deps.volume.attachment_delete(device.attachment_id)
    context.event_finish(_event(context))
    gone(context)


def gone(context: Context) -> None:
    device = volumes.disk(context.server, context.state["device"])
    if device is not None:
        context.remove_device(device)
        making_volumes.parted(context, device)
    elif volumes.AT_GUEST in context.state:
        context.changes.settled = volumes.at_guest(context.state[volumes.AT_GUEST])


def release_otherwise(context: Context) -> None:
    context.event_finish(_event(context), context.error)
    gone(context)


def failed(context: Context) -> None:
    context.event(_event(context), context.server.host, error=context.error or MusterError())


DETACH_VOLUME = Definition(
    "detach_volume",
    (
        Step("detach", detach, detach_undo, deadline_s=60, pivot=True, left=left),
        Step("release", release, deadline_s=60, otherwise=release_otherwise, left=left),
    ),
    failed=failed,
)
