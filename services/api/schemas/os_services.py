"""What may be asked about and of services."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import BOOLEAN, HOST, SHORT_TEXT, record
from services.api.schemas.query import ANY, closed_from

list_query = closed_from(versions.UNKNOWN_KEYS_REFUSED, host=ANY, binary=ANY)


def update(v: int) -> Schema:
    """Below 2.53 the path names the verb and the body the host; from there the path names the
    service and the body what changes."""
    properties = {"disabled_reason": SHORT_TEXT}
    if v >= versions.FORCED_DOWN:
        properties["forced_down"] = BOOLEAN
    if v >= versions.SERVICE_UUIDS:
        properties["status"] = {"type": "string", "enum": ["enabled", "disabled"]}
        return record(properties)
    return record({**properties, "host": HOST, "binary": SHORT_TEXT}, required=("host", "binary"))
