"""Query parameters of the list of migrations, and the body of a forced completion."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import TIME, wrapped
from services.api.schemas.query import ANY, LIMIT, many, once, parameters

_FILTERS = ("hidden", "host", "instance_uuid", "migration_type", "source_compute", "status")


def listing(v: int) -> Schema:
    """GET /os-migrations."""
    properties: dict[str, Schema] = {name: many(ANY) for name in _FILTERS}
    if v < versions.MIGRATIONS_PAGED:
        return parameters(properties, closed=False)
    properties |= {"limit": once(LIMIT), "marker": once(ANY), "changes-since": once(TIME)}
    if v >= versions.CHANGES_BEFORE:
        properties["changes-before"] = once(TIME)
    if v >= versions.MIGRATION_OWNERS:
        properties |= {"user_id": once(ANY), "project_id": once(ANY)}
    return parameters(properties, closed=True)


def force_complete(_v: int) -> Schema:
    return wrapped("force_complete", {"type": "null"})
