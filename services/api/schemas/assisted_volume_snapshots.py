"""What the volume service may ask of the host of a guest."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import UUID, record, wrapped
from services.api.schemas.query import ANY, closed_from

_NAME: Schema = {"type": "string", "minLength": 1}
_CREATE_INFO = record(
    {
        "snapshot_id": _NAME,
        "type": {"type": "string", "enum": ["qcow2"]},
        "new_file": _NAME,
        "id": UUID,  # the answer repeats it, and has no other ids
    },
    required=("snapshot_id", "type", "new_file"),
)


def create(_v: int) -> Schema:
    wanted = {"volume_id": _NAME, "create_info": _CREATE_INFO}
    return wrapped("snapshot", record(wanted, required=("volume_id", "create_info")))


delete_query = closed_from(versions.UNKNOWN_KEYS_REFUSED, delete_info=ANY)
