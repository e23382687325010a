"""The disks of new servers, and what the volume and image services know of what they are made of.

Owns: those facts. May not: judge them, beyond what cannot be found at all.
Crash story: reads only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from common.domain import block_devices
from common.domain.block_devices import DEFAULT_ROOT, BlockDevice, full_name
from common.domain.device_entries import invalid
from common.domain.device_requests import Asked as Wanted
from common.domain.device_requests import Sizes, requested
from common.errors import InvalidInput, NotFound
from common.neighbours.image import Image
from common.neighbours.volume import Snapshot, Volume
from services.api.request import Request
from services.api.servers import images
from services.api.servers.creating.asked_disks import AskedDisks

T = TypeVar("T")


@dataclass(frozen=True)
class FoundDisks:
    devices: Sequence[BlockDevice] = ()
    """None for a server that boots from its image and says nothing else."""
    boot_image: Image | None = None
    """What the root disk is, or is to be made, of, where it is a volume."""
    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)


async def disks(
    request: Request,
    asked: AskedDisks,
    image: Image | None,
    flavor: dict[str, Any] | None,
    *,
    servers: int,
) -> FoundDisks:
    """Raises `InvalidInput` for disks that contradict themselves or are made of what is unknown."""
    devices = _devices(request, asked, image, flavor or {}, servers)
    if not devices:
        return FoundDisks()
    app, token = request.app, request.ctx.token
    volumes, snapshots, found_images, _ = await asyncio.gather(
        _each(
            "volume", [d.volume_id for d in devices], lambda i: app.volume.volume(i, token=token)
        ),
        _each(
            "snapshot",
            [d.snapshot_id for d in devices],
            lambda i: app.volume.snapshot(i, token=token),
        ),
        _each("image", _images(devices), lambda i: app.image.get(i, token=token)),
        _volume_types(request, {d.volume_type for d in devices if d.volume_type}),
    )
    found = FoundDisks(devices, None, volumes, snapshots)
    root = block_devices.root(devices)
    assert root is not None, "the boot sequence has been checked"
    if not root.is_volume:
        return found
    boot = found_images.get(root.image_id or "") or await _of_volume(request, root, found)
    return FoundDisks(devices, boot, volumes, snapshots)


def _devices(
    request: Request,
    asked: AskedDisks,
    image: Image | None,
    flavor: dict[str, Any],
    servers: int,
) -> list[BlockDevice]:
    properties = image.properties if image else {}
    return requested(
        Wanted(
            legacy=asked.legacy,
            current=asked.current,
            image_id=image.id if image else None,
            image_properties=properties,
            root_name=full_name(properties.get("root_device_name", DEFAULT_ROOT)),
            servers=servers,
        ),
        Sizes(flavor.get("ephemeral_gib", 0), flavor.get("swap_mib", 0)),
        new_id=request.app.ids.uuid,
        most_local=asked.most_local,
    )


def _images(devices: Sequence[BlockDevice]) -> list[str | None]:
    return [device.image_id for device in devices if device.is_volume]


async def _each(
    kind: str, ids: Collection[str | None], get: Callable[[str], Awaitable[T]]
) -> dict[str, T]:
    wanted = sorted({each for each in ids if each})
    try:
        found = await asyncio.gather(*(get(each) for each in wanted))
    except NotFound as error:
        raise invalid(f"failed to get {kind} {' or '.join(wanted)}.") from error
    return dict(zip(wanted, found, strict=True))


async def _volume_types(request: Request, names: Collection[str]) -> None:
    for name in names:
        try:
            await request.app.volume.volume_type(name, token=request.ctx.token)
        except NotFound as error:
            raise InvalidInput(f"Volume type {name} could not be found.") from error


async def _of_volume(request: Request, root: BlockDevice, found: FoundDisks) -> Image | None:
    """What the volume service remembers of the image of the root disk."""
    if root.volume_id is not None:
        return images.of_volume(found.volumes[root.volume_id])
    if root.snapshot_id is None:
        return None
    source = found.snapshots[root.snapshot_id].volume_id
    try:
        return images.of_volume(await request.app.volume.volume(source))
    except NotFound:
        return None
