"""Body of the changePassword action."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import TEXT, record, wrapped


def change(_v: int) -> Schema:
    return wrapped("changePassword", record({"adminPass": TEXT}, required=("adminPass",)))
