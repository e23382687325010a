"""What may be asked of volumes."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import TEXT, integer, record, wrapped
from services.api.schemas.query import LIMIT, many, parameters

WINDOW: dict[str, Schema] = {"limit": many(LIMIT), "offset": many(LIMIT)}


def window(_v: int) -> Schema:
    """Every other parameter is allowed and means nothing."""
    return parameters(WINDOW, closed=False)


def create(_v: int) -> Schema:
    wanted = {
        "size": integer(1),
        "display_name": TEXT,
        "display_description": TEXT,
        "snapshot_id": TEXT,
        "volume_type": TEXT,
        "availability_zone": TEXT,
        "metadata": {"type": "object"},
    }
    return wrapped("volume", record(wanted, required=("size",)))
