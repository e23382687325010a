"""What may be asked about and of aggregates."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import HOST, NAME, UUID, nullable, record, wrapped

_ZONE: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "format": "az_name"}
_NEW_NAME: Schema = {**NAME, "format": "name_with_leading_trailing_spaces"}
_METADATA: Schema = {
    "type": "object",
    "patternProperties": {
        r"^[a-zA-Z0-9\-_:. ]{1,255}$": {"type": ["string", "null"], "maxLength": 255}
    },
    "additionalProperties": False,
}


def create(_v: int) -> Schema:
    properties = {"name": NAME, "availability_zone": nullable(_ZONE)}
    return wrapped("aggregate", record(properties, required=("name",)))


def update(_v: int) -> Schema:
    properties = {"name": _NEW_NAME, "availability_zone": nullable(_ZONE)}
    either = [{"required": [name]} for name in properties]
    return wrapped("aggregate", {**record(properties), "anyOf": either})


def add_host(_v: int) -> Schema:
    return wrapped("add_host", record({"host": HOST}, required=("host",)))


def remove_host(_v: int) -> Schema:
    return wrapped("remove_host", record({"host": HOST}, required=("host",)))


def set_metadata(_v: int) -> Schema:
    return wrapped("set_metadata", record({"metadata": _METADATA}, required=("metadata",)))


def cache_images(_v: int) -> Schema:
    image = record({"id": UUID}, required=("id",))
    return wrapped("cache", {"type": "array", "items": image, "minItems": 1, "maxItems": 64})
