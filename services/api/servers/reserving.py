"""Volumes that a request reserves for a server, so that nobody else can take them.

Owns: what a request tells the volume service before the database knows of it.
May not: connect a host; workflows do.
Crash story: the intent is written down first. A request that dies leaves it, and a reconciler makes
the volume service agree with the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from common.db.pool import OUT_OF_REACH
from common.db.stores import leftovers
from common.errors import InvalidInput, NotFound, Unavailable
from common.neighbours.volume import Mode, Volume
from services.api.request import Request


def check(volume: Volume, *, multiattach: bool) -> None:
    """Raises `InvalidInput` for a volume that cannot be attached now. `multiattach`: whether the
    version knows volumes that several servers have."""
    if volume.multiattach and not multiattach:
        raise InvalidInput(
            "Multiattach volumes are only supported starting with compute API version 2.60."
        )
    allowed = {"available", "in-use"} if volume.multiattach else {"available"}
    if volume.status not in allowed:
        raise InvalidInput(
            f"Invalid volume: volume {volume.id} status must be {' or '.join(sorted(allowed))}. "
            f"Currently in '{volume.status}'"
        )


async def find(request: Request, volume_id: str) -> Volume:
    """The volume as the caller sees it; raises `NotFound`."""
    try:
        return await request.app.volume.volume(volume_id, token=request.ctx.token)
    except NotFound as error:
        raise NotFound(f"Volume {volume_id} could not be found.") from error


@asynccontextmanager
async def reserved(
    request: Request, server_uuid: UUID, volumes: Sequence[Volume]
) -> AsyncIterator[dict[str, str]]:
    """Reserve the volumes: ids of the attachments by volume, to be written down inside. When that
    fails they are given back."""
    ids, made = [volume.id for volume in volumes], dict[str, str]()
    await _intend(request, server_uuid, ids)
    try:
        for volume in volumes:
            made[volume.id] = await _attachment(request, server_uuid, volume)
        yield made
    except Exception as error:
        for attachment_id in made.values():
            await request.app.volume.attachment_delete(attachment_id)
        if not isinstance(error, Unavailable):  # else one may have been made all the same
            await _intended(request, server_uuid, ids)
        raise
    await _intended(request, server_uuid, ids)


async def _attachment(request: Request, server_uuid: UUID, volume: Volume) -> str:
    mode: Mode = "ro" if volume.read_only else "rw"
    try:
        made = await request.app.volume.attachment_create(volume.id, str(server_uuid), mode=mode)
    except InvalidInput as error:  # another request came first
        raise _invalid(error) from error
    return made.id


@asynccontextmanager
async def detaching(request: Request, server_uuid: UUID, volume_id: str) -> AsyncIterator[None]:
    """Have the volume service refuse every other detach. When what is done inside fails, the
    volume is in use again."""
    volume = request.app.volume
    await _intend(request, server_uuid, [volume_id])
    try:
        await volume.begin_detaching(volume_id)
    except InvalidInput as error:
        await _intended(request, server_uuid, [volume_id])
        raise _invalid(error) from error
    try:
        yield
    except Exception:
        await volume.roll_detaching(volume_id)
        await _intended(request, server_uuid, [volume_id])
        raise
    await _intended(request, server_uuid, [volume_id])


def _invalid(error: InvalidInput) -> InvalidInput:
    text = str(error)
    return error if text.startswith("Invalid volume") else InvalidInput(f"Invalid volume: {text}")


async def _intend(request: Request, server_uuid: UUID, volume_ids: Sequence[str]) -> None:
    app, request_id = request.app, request.ctx.request_id
    due_s = app.settings.disks.request_s
    for volume_id in volume_ids:
        await leftovers.intend(app.pool, server_uuid, volume_id, request_id, due_s=due_s)


async def _intended(request: Request, server_uuid: UUID, volume_ids: Sequence[str]) -> None:
    """What is written down may be written down twice: a row that stays is found to be nothing."""
    with suppress(*OUT_OF_REACH):
        for volume_id in volume_ids:
            await leftovers.intended(
                request.app.pool, server_uuid, volume_id, request.ctx.request_id
            )
