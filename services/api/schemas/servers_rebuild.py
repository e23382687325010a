"""Body of the rebuild action, per microversion."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import BOOLEAN, NAME, TEXT, UUID, nullable, record, wrapped
from services.api.schemas.servers import (
    DESCRIPTION,
    DISK_CONFIG,
    IPV4,
    IPV6,
    METADATA,
    TRUSTED_CERTS,
    USER_DATA,
    hostname,
)

_KEY_NAME: Schema = {"type": ["string", "null"], "minLength": 1, "maxLength": 255}


def rebuild(v: int) -> Schema:
    properties: dict[str, Schema] = {
        "imageRef": UUID,
        "name": NAME,
        "adminPass": TEXT,
        "metadata": METADATA,
        "accessIPv4": IPV4,
        "accessIPv6": IPV6,
        "OS-DCF:diskConfig": DISK_CONFIG,
        "preserve_ephemeral": BOOLEAN,
    }
    if v >= versions.OWN_DESCRIPTION:
        properties["description"] = DESCRIPTION
    if v >= versions.REBUILD_KEY_NAME:
        properties["key_name"] = _KEY_NAME
    if v < versions.PERSONALITY_GONE:
        file = record({"path": TEXT, "contents": {"type": "string", "format": "base64"}})
        properties["personality"] = {"type": "array", "items": file}
    else:
        properties["user_data"] = nullable(USER_DATA)
    if v >= versions.TRUSTED_CERTIFICATES:
        properties["trusted_image_certificates"] = TRUSTED_CERTS
    if v >= versions.HOSTNAME:
        properties["hostname"] = hostname(v)
    return wrapped("rebuild", record(properties, required=("imageRef",)))
