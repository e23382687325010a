"""Query parameters of usage."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.query import ANY, LIMIT, many, parameters


def one(v: int) -> Schema:
    """GET /os-simple-tenant-usage/{project_id}."""
    return _closed(v, {"start": many(ANY), "end": many(ANY)})


def listing(v: int) -> Schema:
    """GET /os-simple-tenant-usage."""
    return _closed(v, {"start": many(ANY), "end": many(ANY), "detailed": many(ANY)})


def _closed(v: int, properties: dict[str, Schema]) -> Schema:
    if v >= versions.USAGE_PAGED:
        properties |= {"limit": many(LIMIT), "marker": many(ANY)}
    return parameters(properties, closed=v >= versions.UNKNOWN_KEYS_REFUSED)
