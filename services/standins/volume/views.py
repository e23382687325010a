"""How volumes, snapshots, types and attachments look.

Owns: the fields of each record, from which version on, and who sees them. Clients check answers
against closed schemas, so a field must not appear before its version.
May not: read the store; the caller hands in what a view needs. Crash story: pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.standins.seeding import seed_uuid
from services.standins.store import Doc
from services.standins.volume.model import HOST
from services.standins.volume.routing import minor
from services.standins.web import Call

ABSENT = object()
"""A value that leaves its field out."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A document with what its view needs of others."""

    doc: Doc
    base_url: str
    is_admin: bool
    type: Doc | None = None
    attached: Sequence[Doc] = ()


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    value: Callable[[Seen], Any]
    since: int = 0
    admin: bool = False
    detail: bool = False
    """Not in the answer to a create or an update."""


def _of(name: str) -> Callable[[Seen], Any]:
    return lambda seen: seen.doc[name]


def _links(seen: Seen) -> list[Doc]:
    doc = seen.doc
    path = f"{doc['project_id']}/volumes/{doc['id']}"
    return [
        {"rel": "self", "href": f"{seen.base_url}/volume/v3/{path}"},
        {"rel": "bookmark", "href": f"{seen.base_url}/volume/{path}"},
    ]


def _attachments(seen: Seen) -> list[Doc]:
    return [
        {
            "id": seen.doc["id"],
            "attachment_id": attachment["id"],
            "volume_id": seen.doc["id"],
            "server_id": attachment["instance"],
            "host_name": attachment["host"] if seen.is_admin else None,
            "device": attachment["device"],
            "attached_at": attachment["attached_at"],
        }
        for attachment in seen.attached
    ]


def _metadata(seen: Seen) -> Doc:
    read_only = seen.doc["readonly"]
    shown = {} if read_only is None else {"readonly": str(read_only)}
    return {**seen.doc["metadata"], **shown}


def _present(name: str) -> Callable[[Seen], Any]:
    return lambda seen: ABSENT if seen.doc[name] is None else seen.doc[name]


def _null(_: Seen) -> None:
    return None


SHORT = (
    Field("id", _of("id")),
    Field("name", _of("name")),
    Field("links", _links),
)
VOLUME = (
    *SHORT,
    Field("status", _of("status")),
    Field("size", _of("size")),
    Field("availability_zone", _of("availability_zone")),
    Field("created_at", _of("created_at")),
    Field("updated_at", _of("updated_at")),
    Field("description", _of("description")),
    Field("volume_type", lambda seen: seen.type["name"] if seen.type else None),
    Field("volume_type_id", _of("type_id"), since=63),
    Field("snapshot_id", _of("snapshot_id")),
    Field("source_volid", _of("source_volid")),
    Field("metadata", _metadata),
    Field("user_id", _of("user_id")),
    # The texts "true" and "false": clients do not read a boolean here.
    Field("bootable", lambda seen: str(seen.doc["bootable"]).lower()),
    Field("encrypted", _of("encrypted")),
    Field("encryption_key_id", _present("encryption_key_id"), since=64),
    Field("multiattach", _of("multiattach")),
    Field("attachments", _attachments),
    Field("replication_status", _null),
    Field("consistencygroup_id", _null),
    Field("migration_status", _null, admin=True),
    Field("group_id", _null, since=13),
    Field("provider_id", _null, since=21, admin=True),
    Field("service_uuid", lambda _: seed_uuid("volume-service", HOST), since=48),
    Field("shared_targets", lambda _: False, since=48),
    Field("cluster_name", _null, since=61, admin=True),
    Field("consumes_quota", lambda _: True, since=65),
    Field("volume_image_metadata", _present("image_metadata"), detail=True),
    Field("os-vol-tenant-attr:tenant_id", _of("project_id"), detail=True),
    Field("os-vol-host-attr:host", lambda _: HOST, admin=True, detail=True),
    Field("os-vol-mig-status-attr:migstat", _null, admin=True, detail=True),
    Field("os-vol-mig-status-attr:name_id", _null, admin=True, detail=True),
)
SNAPSHOT = (
    Field("id", _of("id")),
    Field("name", _of("name")),
    Field("description", _of("description")),
    Field("status", _of("status")),
    Field("size", _of("size")),
    Field("volume_id", _of("volume_id")),
    Field("metadata", _of("metadata")),
    Field("created_at", _of("created_at")),
    Field("updated_at", _of("updated_at")),
    Field("group_snapshot_id", _null, since=14),
    Field("user_id", _of("user_id"), since=41),
    Field("consumes_quota", lambda _: True, since=65),
    Field("os-extended-snapshot-attributes:progress", _of("progress"), detail=True),
    Field("os-extended-snapshot-attributes:project_id", _of("project_id"), detail=True),
)


def record(fields: Iterable[Field], call: Call, seen: Seen, *, detail: bool) -> Doc:
    """The fields of `fields` that this caller gets to see at this version."""
    version, shown = minor(call), {}
    for field in fields:
        if version < field.since or (field.admin and not seen.is_admin):
            continue
        if field.detail and not detail:
            continue
        value = field.value(seen)
        if value is not ABSENT:
            shown[field.name] = value
    return shown


def snapshot(call: Call, doc: Doc, *, detail: bool) -> Doc:
    return record(SNAPSHOT, call, Seen(doc, call.base_url, call.caller.is_admin), detail=detail)


def volume_type(doc: Doc, *, with_specs: bool = True) -> Doc:
    shown: Doc = {
        "id": doc["id"],
        "name": doc["name"],
        "description": doc["description"],
        "is_public": doc["is_public"],
        "os-volume-type-access:is_public": doc["is_public"],
        "qos_specs_id": None,
    }
    return {**shown, "extra_specs": doc["extra_specs"]} if with_specs else shown


def attachment(doc: Doc, *, detail: bool) -> Doc:
    shown = {name: doc[name] for name in ("id", "status", "instance", "volume_id")}
    if not detail:
        return shown
    return {
        **shown,
        "attach_mode": doc["mode"],
        "attached_at": doc["attached_at"],
        "detached_at": None,
        "connection_info": doc["connection_info"],
    }
