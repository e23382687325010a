"""Bodies of server actions that are one verb."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import wrapped


def trigger_crash_dump(_v: int) -> Schema:
    return wrapped("trigger_crash_dump", {"type": "null"})
