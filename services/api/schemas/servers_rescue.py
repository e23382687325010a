"""Body of the rescue action."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import TEXT, UUID, nullable, record, wrapped


def rescue(_v: int) -> Schema:
    return wrapped("rescue", nullable(record({"adminPass": TEXT, "rescue_image_ref": UUID})))
