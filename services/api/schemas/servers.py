"""Bodies of requests that create or change a server, per microversion.

Owns: which fields exist from which version, and their types.
May not: check what only the database or a neighbour knows. Crash story: none.
"""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import (
    BOOLEAN,
    HOST,
    NAME,
    TEXT,
    UUID,
    integer,
    nullable,
    record,
    wrapped,
)

ADDRESS: Schema = {"type": "string", "oneOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
IPV4: Schema = {"type": "string", "format": "ipv4"}
IPV6: Schema = {"type": "string", "format": "ipv6"}
DISK_CONFIG: Schema = {"type": "string", "enum": ["AUTO", "MANUAL"]}
DESCRIPTION: Schema = {
    "type": ["string", "null"],
    "minLength": 0,
    "maxLength": 255,
    "format": "nova-printable",
}
TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
TAGS: Schema = {"type": "array", "items": TAG, "maxItems": 50}
METADATA: Schema = {
    "type": "object",
    "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
TRUSTED_CERTS: Schema = {
    "type": ["array", "null"],
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
    "maxItems": 50,
    "uniqueItems": True,
}
_MOST: Schema = {"maxItems": 64}
"""Networks, or disks, of one request: more than any machine has."""
USER_DATA: Schema = {"type": "string", "format": "base64", "maxLength": 65535}
_LABEL: Schema = {
    "type": "string",
    "minLength": 2,
    "maxLength": 63,
    "pattern": "^[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]$",
}


def hostname(v: int) -> Schema:
    """A single label, from 2.94 a whole domain name."""
    return HOST if v >= versions.HOSTNAME_DOMAIN else _LABEL


_UUIDS: Schema = {"oneOf": [UUID, {"type": "array", "items": UUID}]}
_HINTS: Schema = {
    "type": "object",
    "properties": {
        "group": {"oneOf": [{"type": "array", "items": UUID}, UUID]},
        "different_host": _UUIDS,
        "same_host": {"type": ["string", "array"], "items": UUID},
        "query": {"type": ["string", "object"]},
        "target_cell": NAME,
        "different_cell": {"type": ["string", "array"], "items": TEXT},
        "build_near_host_ip": ADDRESS,
        "cidr": {"type": "string", "pattern": "^/[0-9a-f.:]+$"},
    },
    "additionalProperties": True,
}
_DEVICE_NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": "^[a-zA-Z0-9._/-]*$",
}
_SHORT: Schema = {"type": "string", "maxLength": 255}
_LEGACY_DEVICE: dict[str, Schema] = {
    "virtual_name": _SHORT,
    "volume_id": UUID,
    "snapshot_id": UUID,
    "volume_size": integer(1),
    "delete_on_termination": BOOLEAN,
    "device_name": _DEVICE_NAME,
    "no_device": {},
    "connection_info": {"type": "string", "maxLength": 16_777_215},
}


def _tagged(v: int, suspended: int) -> bool:
    """Tags of a device were taken away for a while."""
    return versions.DEVICE_TAGS <= v < suspended or v >= versions.DEVICE_TAGS_AGAIN


def _device(v: int) -> Schema:
    properties = {
        **_LEGACY_DEVICE,
        "uuid": {**_DEVICE_NAME, "pattern": "^[a-zA-Z0-9._-]*$"},
        "image_id": UUID,
        "source_type": {"type": "string", "enum": ["volume", "image", "snapshot", "blank"]},
        "destination_type": {"type": "string", "enum": ["local", "volume"]},
        "boot_index": {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"},
        "guest_format": _SHORT,
        "device_type": _SHORT,
        "disk_bus": _SHORT,
    }
    if _tagged(v, versions.DISK_TAGS_SUSPENDED):
        properties["tag"] = TAG
    if v >= versions.VOLUME_TYPE:
        properties["volume_type"] = {"type": ["string", "null"], "minLength": 0, "maxLength": 255}
    return record(properties)


def _networks(v: int) -> Schema:
    properties = {
        "uuid": UUID if v >= versions.NETWORKS_REQUIRED else TEXT,
        "port": nullable(UUID),
        "fixed_ip": ADDRESS,
    }
    if _tagged(v, versions.NETWORK_TAGS_SUSPENDED):
        properties["tag"] = TAG
    listed: Schema = {"type": "array", "items": record(properties), **_MOST}
    if v < versions.NETWORKS_REQUIRED:
        return listed
    return {"oneOf": [listed, {"type": "string", "enum": ["none", "auto"]}]}


def create(v: int) -> Schema:
    """POST /servers."""
    properties: dict[str, Schema] = {
        "name": NAME,
        "flavorRef": {"type": ["string", "integer"], "minLength": 1},
        "imageRef": {"oneOf": [UUID, {"type": "string", "maxLength": 0}]},
        "adminPass": TEXT,
        "metadata": METADATA,
        "networks": _networks(v),
        "accessIPv4": IPV4,
        "accessIPv6": IPV6,
        "OS-DCF:diskConfig": DISK_CONFIG,
        "availability_zone": NAME,
        "block_device_mapping": {"type": "array", "items": record(_LEGACY_DEVICE), **_MOST},
        "block_device_mapping_v2": {"type": "array", "items": _device(v), **_MOST},
        "config_drive": BOOLEAN,
        "key_name": NAME,
        "min_count": integer(1),
        "max_count": integer(1),
        "return_reservation_id": BOOLEAN,
        "security_groups": {"type": "array", "items": record({"name": NAME})},
        "user_data": USER_DATA,
    }
    if v >= versions.OWN_DESCRIPTION:
        properties["description"] = DESCRIPTION
    if v >= versions.CREATE_TAGS:
        properties["tags"] = TAGS
    if v < versions.PERSONALITY_GONE:
        file = record({"path": TEXT, "contents": {"type": "string", "format": "base64"}})
        properties["personality"] = {"type": "array", "items": file}
    if v >= versions.TRUSTED_CERTIFICATES:
        properties["trusted_image_certificates"] = TRUSTED_CERTS
    if v >= versions.REQUESTED_HOST:
        properties["host"] = HOST
        properties["hypervisor_hostname"] = HOST
    if v >= versions.HOSTNAME:
        properties["hostname"] = hostname(v)
    networks = ("networks",) if v >= versions.NETWORKS_REQUIRED else ()
    required = ("name", "flavorRef", *networks)
    return record(
        {
            "server": record(properties, required=required),
            "os:scheduler_hints": _HINTS,
            "OS-SCH-HNT:scheduler_hints": _HINTS,
        },
        required=("server",),
    )


def update(v: int) -> Schema:
    """PUT /servers/{id}."""
    properties: dict[str, Schema] = {
        "name": NAME,
        "OS-DCF:diskConfig": DISK_CONFIG,
        "accessIPv4": IPV4,
        "accessIPv6": IPV6,
    }
    if v >= versions.OWN_DESCRIPTION:
        properties["description"] = DESCRIPTION
    if v >= versions.HOSTNAME:
        properties["hostname"] = hostname(v)
    if v >= versions.CHANGE_PINNED_ZONE:
        properties["pinned_availability_zone"] = {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": 255,
        }
    return wrapped("server", record(properties))
