"""Whether an image can be booted with a flavor.

Owns: the checks and their words. May not: keep images; they may change any time.
Crash story: reads only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.errors import Forbidden, InvalidInput, NotFound
from common.neighbours.image import Image
from common.neighbours.volume import Volume
from services.api.identifiers import parse_number
from services.api.request import Request

GIB = 1 << 30
ZERO_DISK = "os_compute_api:servers:create:zero_disk_flavor"
_OF_RECORD = frozenset(
    {"image_id", "image_name", "disk_format", "container_format", "size", "min_disk", "min_ram",
     "checksum"}
)  # fmt: skip
"""What a volume remembers of its image beside the image's properties."""
_TRUE = frozenset({"true", "t", "1", "yes", "y", "on"})


async def fetch(request: Request, image_ref: str) -> Image:
    """The image as the caller sees it; raises `InvalidInput` for an unknown one."""
    try:
        return await request.app.image.get(image_ref, token=request.ctx.token)
    except NotFound as error:
        raise InvalidInput("Can not find requested image") from error


def check(image: Image, flavor: dict[str, Any], *, zero_disk_allowed: bool) -> None:
    """Raises `InvalidInput` when the image does not fit, `Forbidden` for a flavor without disk."""
    check_active(image)
    if flavor["memory_mib"] < image.min_ram_mib:
        raise InvalidInput("Flavor's memory is too small for requested image.")
    root_bytes = flavor["root_gib"] * GIB
    if root_bytes == 0:
        if not zero_disk_allowed:
            raise Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
        return
    if (image.size_bytes or 0) > root_bytes:
        raise InvalidInput(
            "Flavor's disk is too small for requested image. "
            f"Flavor disk is {root_bytes} bytes, image is {image.size_bytes} bytes."
        )
    least = image.min_disk_gib * GIB
    if least > root_bytes:
        raise InvalidInput(
            "Flavor's disk is smaller than the minimum size specified in image metadata. "
            f"Flavor disk is {root_bytes} bytes, minimum size is {least} bytes."
        )


def check_on_volume(image: Image, flavor: dict[str, Any], volume_gib: int) -> None:
    """The same for a server whose root disk is a volume of this size; what its flavor says of
    disks does not matter."""
    check_active(image)
    if flavor["memory_mib"] < image.min_ram_mib:
        raise InvalidInput("Flavor's memory is too small for requested image.")
    size, least = volume_gib * GIB, image.min_disk_gib * GIB
    if size and least > size:
        raise InvalidInput(
            "Volume is smaller than the minimum size specified in image metadata. "
            f"Volume size is {size} bytes, minimum size is {least} bytes."
        )


def of_volume(volume: Volume) -> Image:
    """The image a volume was made of, as far as the volume remembers it."""
    known = volume.image_metadata
    return Image(
        id=known.get("image_id", ""),
        name=known.get("image_name"),
        status="active",
        visibility="private",
        owner=None,
        disk_format=known.get("disk_format"),
        container_format=known.get("container_format"),
        size_bytes=_number(known, "size"),
        min_disk_gib=_number(known, "min_disk"),
        min_ram_mib=_number(known, "min_ram"),
        created_at=volume.created_at,
        updated_at=volume.created_at,
        properties={name: value for name, value in known.items() if name not in _OF_RECORD},
    )


def _number(known: Mapping[str, str], name: str) -> int:
    """0 for what is no number: users may write what they like there."""
    return parse_number(str(known.get(name, ""))) or 0


def check_active(image: Image) -> None:
    if image.status != "active":
        raise InvalidInput(f"Image {image.id} is not active.")


def auto_disk_config(asked: str | None, properties: dict[str, Any], image_ref: str | None) -> bool:
    """OS-DCF:diskConfig as a boolean; the image's property decides when nothing was asked."""
    of_image = str(properties.get("auto_disk_config", ""))
    if asked == "AUTO" and of_image.lower() == "disabled":
        raise InvalidInput(f"Requested image {image_ref} has automatic disk resize disabled.")
    return of_image.lower() in _TRUE if asked is None else asked == "AUTO"
