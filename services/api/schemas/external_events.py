"""Bodies of what other services say about servers."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import UUID, record, wrapped
from services.api.servers.external_events import KINDS

STATUSES = ("failed", "completed", "in-progress")


def events(v: int) -> Schema:
    event = record(
        {
            "name": {"type": "string", "enum": [n for n, kind in KINDS.items() if kind.since <= v]},
            "server_uuid": UUID,
            "status": {"type": "string", "enum": list(STATUSES)},
            "tag": {"type": "string", "maxLength": 255},
        },
        required=("name", "server_uuid"),
    )
    return wrapped("events", {"type": "array", "minItems": 1, "items": event})
