"""What may be asked about a server's shares."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import UUID, record, wrapped

TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-]*$"}


def attach(_version: int) -> Schema:
    return wrapped("share", record({"share_id": UUID, "tag": TAG}, required=("share_id",)))
