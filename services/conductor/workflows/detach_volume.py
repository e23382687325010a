"""Detach a volume from a server; its states do not change.

    detach    the guest gives the disk up          undo: it has it again, and the volume is in use
    release   the attachment goes; with this commit the disk is the server's no more

The request has told the volume service that it begins, so that no other can. Input: state
{"device": the disk}.
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
    if server.host is not None and device is not None:
        await volumes.take(context, device, server.host)


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
