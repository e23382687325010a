"""What may be asked of images."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import INT32_MAX
from services.api.schemas.query import ANY, LIMIT, many

_FILTERS = ("changes-since", "marker", "minDisk", "minRam", "name", "server", "status", "type")
_SOME: Schema = {**LIMIT, "textRange": [1, INT32_MAX]}


def list_query(_v: int) -> Schema:
    """Every other parameter is allowed; of those only properties mean something."""
    properties = {name: many(ANY) for name in _FILTERS}
    properties |= {name: many(_SOME) for name in ("limit", "offset", "page_size")}
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {"^property-.+$": many(ANY)},
    }
