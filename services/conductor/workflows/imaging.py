"""Steps that make an image of a server.

Owns: uploading through the host, removing an image that was not finished, the walk of task_states.
May not: create the record of an image a user asked for; the request has done that, so that its id
could be answered. Crash story: an upload that is repeated finds the image active and is done.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from common.db.stores.commit import Leftover
from common.domain.states import TaskState
from common.errors import Conflict, MusterError
from services.conductor.engine.context import Context

PENDING = TaskState.IMAGE_PENDING_UPLOAD


async def begin(context: Context, event: str, task_state: TaskState) -> None:
    """Say that it has begun."""
    server = context.server
    if server.host is None:
        raise Conflict(f"Instance {server.uuid} is not ready")
    context.event_start(event, server.host)
    context.change_server(task_state=task_state)


async def upload(context: Context, image_id: str) -> None:
    """The host sends the guest's disk to the image service.

    The record was made by somebody who could not know what the host's disks are, and a service that
    looks into the data refuses what is something else than the record says. A host may change no
    record, so that it is made to say so here.
    """
    server, image = context.server, context.deps.image
    assert server.host is not None, "begin has checked it"
    found = await image.get(image_id)
    if found.status == "queued":
        reply = await context.command("snapshot_format", host=server.host, generation=0)
        disk_format = reply.result["disk_format"]
        if found.disk_format != disk_format:
            await image.set_disk_format(image_id, disk_format)
    await context.command(
        "upload_snapshot", host=server.host, generation=server.generation, image_id=image_id
    )


async def describe(context: Context, image_id: str, properties: dict[str, str]) -> None:
    """Finish an image that has no data of its own but says what servers of it are made of."""
    image = context.deps.image
    found = await image.patch(image_id, add=properties)
    if found.status == "queued":
        await image.upload(image_id, _nothing())


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def remove(context: Context, image_id: str | None) -> None:
    """Remove an image that will not be finished, or is needed no more."""
    if image_id:
        await context.deps.image.delete(image_id)


def image_left(image_id: str | None) -> list[Leftover]:
    return [Leftover("image", {"id": image_id}, "")] if image_id else []


def left(context: Context) -> list[Leftover]:
    """For `Step.left` of steps whose image is in the state."""
    return image_left(context.state.get("image_id"))


def failed(context: Context, event: str) -> None:
    """The server is as before; the image is gone."""
    error = context.error or MusterError()
    if context.failed_step == "begin":  # what it started was not committed
        context.event(event, context.server.host, error=error)
    else:
        context.event_finish(event, error)
    context.change_server(task_state=None)
