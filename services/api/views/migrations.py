"""What migrations look like: in the list of all, and as a live migration of one server.

Owns: both forms. May not: look anything up. Crash story: none, pure functions.
"""

from __future__ import annotations

from typing import Any

from common.domain.migrations import UNDER_WAY
from services.api import versions
from services.api.request import Request
from services.api.views.fields import OMIT, Field, Getter, View, attribute
from services.api.views.times import zoneless

_HOSTS = {
    "source_compute": "source_compute",
    "source_node": "source_node",
    "dest_compute": "dest_compute",
    "dest_node": "dest_node",
    "dest_host": "dest_ip",
}
"""Fields to attributes of a migration."""
_LIST_HOST = "os_compute_api:os-migrations:index:host"
_SERVER_HOST = "os_compute_api:servers:migrations:index:host"
_LIVE = "live-migration"


def _time(name: str) -> Getter:
    return lambda item, _request: zoneless(getattr(item, name))


def _null(_item: Any, _request: Request) -> None:
    return None


def _hosts(policy: str) -> list[Field]:
    """Null for those who may not know: of two fields of a name the later one counts."""
    hidden = [Field(name, _null) for name in _HOSTS]
    shown = [Field(name, attribute(of), policy=policy) for name, of in _HOSTS.items()]
    return hidden + shown


def _links(item: Any, request: Request) -> Any:
    if item.migration_type != _LIVE or item.status not in UNDER_WAY:
        return OMIT
    return request.links.pair("servers", str(item.server_uuid), "migrations", str(item.id))


_IN_BOTH_FORMS = [
    Field("id", attribute("id")),
    Field("status", attribute("status")),
    Field("created_at", _time("created_at")),
    Field("uuid", attribute("uuid"), since=versions.MIGRATION_UUID),
    Field("user_id", attribute("user_id"), since=versions.MIGRATION_OWNERS),
    Field("project_id", attribute("project_id"), since=versions.MIGRATION_OWNERS),
]
LISTED = View(
    [
        *_IN_BOTH_FORMS,
        *_hosts(_LIST_HOST),
        Field("instance_uuid", attribute("server_uuid")),
        Field("old_instance_type_id", attribute("old_flavor_id")),
        Field("new_instance_type_id", attribute("new_flavor_id")),
        Field("updated_at", _time("updated_at")),
        Field("migration_type", attribute("migration_type"), since=versions.MIGRATION_TYPE),
        Field("links", _links, since=versions.MIGRATION_TYPE),
    ]
)
"""An entry of GET /os-migrations."""


def _bytes(name: str) -> Getter:
    """Null until something is known."""
    return lambda item, _request: item.details.get(name) or None


def _remaining(item: Any, _request: Request) -> int | None:
    total = item.details.get("memory_total_bytes")
    return total - item.details.get("memory_processed_bytes", 0) or None if total else None


LIVE_OF_SERVER = View(
    [
        *_IN_BOTH_FORMS,
        *_hosts(_SERVER_HOST),
        Field("server_uuid", attribute("server_uuid")),
        Field("updated_at", lambda item, _: zoneless(item.updated_at or item.created_at)),
        Field("memory_total_bytes", _bytes("memory_total_bytes")),
        Field("memory_processed_bytes", _bytes("memory_processed_bytes")),
        Field("memory_remaining_bytes", _remaining),
        *(Field(f"disk_{what}_bytes", _null) for what in ("total", "processed", "remaining")),
    ]
)
"""GET /servers/{id}/migrations[/{id}]; render it for the server's project."""
