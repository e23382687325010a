"""Bodies and queries of os-volume_attachments."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import BOOLEAN, UUID, record, wrapped
from services.api.schemas.query import LIMIT, closed_from
from services.api.schemas.servers import TAG

_DEVICE: Schema = {
    "type": ["string", "null"],
    "pattern": "(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$",
}


def create(v: int) -> Schema:
    properties = {"volumeId": UUID, "device": _DEVICE}
    if v >= versions.ATTACH_TAGS:
        properties["tag"] = TAG
    if v >= versions.DELETE_ON_TERMINATION:
        properties["delete_on_termination"] = BOOLEAN
    return wrapped("volumeAttachment", record(properties, required=("volumeId",)))


def update(v: int) -> Schema:
    properties = {"volumeId": UUID}
    if v >= versions.UPDATE_ATTACHMENT:
        properties |= {
            "device": _DEVICE,
            "tag": TAG,
            "delete_on_termination": BOOLEAN,
            "serverId": UUID,
            "id": UUID,
        }
    return wrapped("volumeAttachment", record(properties, required=("volumeId",)))


index = closed_from(versions.UNKNOWN_KEYS_REFUSED, limit=LIMIT, offset=LIMIT)
