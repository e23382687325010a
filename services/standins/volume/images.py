"""What the volume service asks of the image service.

Owns: the port, and what of an image a volume remembers. May not: know how images are kept.
Crash story: an image that was made of a volume is complete, or not there.
"""

from __future__ import annotations

from typing import Protocol

from services.standins.store import Doc
from services.standins.web import Caller, Fault

BYTES_PER_GIB = 1 << 30
REMEMBERED = ("name", "container_format", "disk_format", "min_disk", "min_ram", "size", "checksum")


class Images(Protocol):
    def find(self, caller: Caller, image_id: str) -> Doc:
        """The image's record as its API shows it; Fault 404."""

    def make(self, caller: Caller, fields: Doc, size_gib: int) -> Doc:
        """A new image of a disk of that size; its record."""


class NoImages:
    """Where a real image service stands beside this one: volumes are made empty."""

    def find(self, caller: Caller, image_id: str) -> Doc:  # noqa: ARG002
        raise Fault(404, f"No image {image_id}: this volume service knows no images.")

    def make(self, caller: Caller, fields: Doc, size_gib: int) -> Doc:  # noqa: ARG002
        raise Fault(400, "This volume service knows no images, and cannot make any.")


def need_image(images: Images, caller: Caller, image_id: str, size_gib: int) -> Doc:
    """An image that fits into a volume of that size; Fault 400 says why it does not."""
    try:
        image = images.find(caller, image_id)
    except Fault as fault:
        raise Fault(400, f"Invalid image identifier or no access to image {image_id}.") from fault
    if image["status"] != "active":
        raise Fault(400, f"Image {image_id} is not active: it is {image['status']}.")
    disk_bytes = image["virtual_size"] or image["size"]
    least = max(image["min_disk"] or 0, -(-disk_bytes // BYTES_PER_GIB))
    if size_gib < least:
        raise Fault(
            400,
            f"Invalid input received: Volume size {size_gib}GB cannot be smaller than the {least}GB"
            f" that image {image_id} needs.",
        )
    return image


def remembered(image: Doc) -> dict[str, str]:
    """The image as the volume's own `volume_image_metadata` keeps it: everything is text."""
    own = {name: image[name] for name in REMEMBERED}
    free = {n: v for n, v in image.items() if isinstance(v, str) and n not in NOT_PROPERTIES}
    whole = {**free, "image_id": image["id"], "image_name": image["name"], **own}
    del whole["name"]
    return {name: "" if value is None else str(value) for name, value in whole.items()}


NOT_PROPERTIES = frozenset(
    {"id", "name", "status", "visibility", "owner", "file", "schema", "self", "created_at",
     "updated_at", "os_hash_algo", "os_hash_value", "stores", "direct_url"}
)  # fmt: skip
