"""Let a guest see that a volume of its server has grown; its states do not change.

    extend   the host enlarges the disk; a guest that is off finds it enlarged when it starts
             undo: the volume service hears that it failed, where it waits for that

Input: state {"device": the disk}.
"""

from __future__ import annotations

from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import volumes

EVENT = "compute_extend_volume"
_NEW_SIZE = "extend_new_size"
"""Key of a volume's metadata while the volume service waits for the host."""


async def extend(context: Context) -> None:
    started, server, volume = context.deps.clock.monotonic(), context.server, context.deps.volume
    device = volumes.disk(server, context.state["device"])
    if device is not None and device.volume_id is not None:
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
    context.event(EVENT, server.host, started)


async def extend_undo(context: Context) -> None:
    """The volume service that waits for the host is told that it failed."""
    device = volumes.disk(context.server, context.state["device"])
    if device is None or device.volume_id is None:
        return
    if (await context.deps.volume.volume(device.volume_id)).status == "extending":
        await context.deps.volume.extend_completed(device.volume_id, error=True)


def failed(context: Context) -> None:
    context.event(EVENT, context.server.host, error=context.error or MusterError())


EXTEND_VOLUME = Definition(
    "extend_volume", (Step("extend", extend, extend_undo, deadline_s=60),), failed=failed
)
