"""What may be asked of snapshots of volumes."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import BOOLEAN, TEXT, record, wrapped


def create(_v: int) -> Schema:
    wanted = {
        "volume_id": TEXT,
        "display_name": TEXT,
        "display_description": TEXT,
        "force": BOOLEAN,
    }
    return wrapped("snapshot", record(wanted, required=("volume_id",)))
