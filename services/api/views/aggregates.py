"""What aggregates look like."""

from __future__ import annotations

from services.api import versions
from services.api.views.fields import Field, View, attribute
from services.api.views.times import zoneless

_BARE = [
    Field("availability_zone", attribute("availability_zone")),
    Field("created_at", lambda aggregate, _: zoneless(aggregate.created_at)),
    Field("deleted", lambda _aggregate, _request: False),
    Field("deleted_at", lambda _aggregate, _request: None),
    Field("id", attribute("id")),
    Field("name", attribute("name")),
    Field("updated_at", lambda aggregate, _: zoneless(aggregate.updated_at)),
    Field("uuid", attribute("uuid"), since=versions.AGGREGATE_UUID),
]

CREATED = View(_BARE)
"""A new one: it cannot have hosts or metadata."""
AGGREGATE = View(
    [*_BARE, Field("hosts", attribute("hosts")), Field("metadata", attribute("metadata"))]
)
