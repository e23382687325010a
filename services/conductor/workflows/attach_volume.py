"""Attach a volume to a server; its states do not change.

    connect   the volume service is told which host           undo: give the volume back
    attach    the host gives the guest the disk; with this commit it is the server's
                                                              undo: take it away

The request has reserved the volume and written the disk; when this fails both are gone. A server
without a host has its volumes in the volume service only, and gets them when it is placed.
Input: state {"device": the disk}.
"""

from __future__ import annotations

from common.db.stores.commit import Leftover
from common.domain.block_devices import BlockDevice
from common.errors import Conflict, MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import volumes

EVENT = "compute_attach_volume"
WITHOUT_HOST = "api_attach_volume"


def _device(context: Context) -> BlockDevice:
    found = volumes.disk(context.server, context.state["device"])
    if found is None or found.attachment_id is None:
        raise Conflict("the volume is being detached from the server")
    return found


async def connect(context: Context) -> None:
    host = context.server.host
    context.event_start(WITHOUT_HOST if host is None else EVENT, host)
    device = _device(context)
    assert device.attachment_id is not None, "the request has reserved it"
    if host is not None:
        how = await volumes.connector(context, host)
        await volumes.connect(context, device, device.attachment_id, how)


async def connect_undo(context: Context) -> None:
    device = volumes.disk(context.server, context.state["device"])
    if device is not None and device.attachment_id is not None:
        await context.deps.volume.attachment_delete(device.attachment_id)


async def attach(context: Context) -> None:
    server, device = context.server, _device(context)
    assert device.attachment_id is not None, "the request has reserved it"
    if server.host is not None:
        await volumes.give(context, device, server.host)
    # Without a host as well: users look for the server among those that have the volume.
    await context.deps.volume.attachment_complete(device.attachment_id)
    context.event_finish(WITHOUT_HOST if server.host is None else EVENT)


async def attach_undo(context: Context) -> None:
    server, device = context.server, volumes.disk(context.server, context.state["device"])
    if server.host is not None and device is not None and device.volume_id is not None:
        await volumes.take(context, device.volume_id, server.host)


def attach_left(context: Context) -> list[Leftover]:
    """The volume is somebody else's next: a guest that cannot be asked must not keep it."""
    device = volumes.disk(context.server, context.state["device"])
    if context.server.host is None or device is None or device.volume_id is None:
        return []
    return [volumes.at_guest(device.volume_id)]


def left(context: Context) -> list[Leftover]:
    """The disk is not the server's in the end, so its attachment is over."""
    return volumes.left(context)


def failed(context: Context) -> None:
    event = WITHOUT_HOST if context.server.host is None else EVENT
    error = context.error or MusterError()
    if context.failed_step == "connect":  # what it started was not committed
        context.event(event, context.server.host, error=error)
    else:
        context.event_finish(event, error)
    device = volumes.disk(context.server, context.state["device"])
    if device is not None:
        context.remove_device(device)


ATTACH_VOLUME = Definition(
    "attach_volume",
    (
        Step("connect", connect, connect_undo, deadline_s=60, left=left),
        Step("attach", attach, attach_undo, deadline_s=60, left=attach_left),
    ),
    failed=failed,
)
