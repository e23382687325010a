"""The JSON schemas that the service shows to clients which build their models from them.

Owns: `/v2/schemas/...` documents. May not: validate; records.py does.
Crash story: constants.
"""

from __future__ import annotations

from services.standins.image.records import READ_ONLY, ImageBody
from services.standins.store import Doc

_TEXTS = ("checksum", "direct_url", "file", "os_hash_algo", "os_hash_value", "schema", "self")
_NUMBERS = ("size", "virtual_size")
_TIMES = ("created_at", "updated_at")
_STATUS = (
    "queued",
    "saving",
    "active",
    "killed",
    "deleted",
    "uploading",
    "importing",
    "deactivated",
)


def _nullable(described: Doc) -> Doc:
    """Of what may be null clients expect one list of types, and one of values."""
    parts = described.get("anyOf", ())
    if {"type": "null"} not in parts:
        return described
    one = next(part for part in parts if part != {"type": "null"})
    rest = {key: value for key, value in described.items() if key != "anyOf"}
    found = {**rest, **one, "type": ["null", one["type"]]}
    if "enum" in one:
        found["enum"] = [None, *one["enum"]]
    return found


def _image() -> Doc:
    described = ImageBody.model_json_schema()["properties"]
    properties: Doc = {name: _nullable(each) for name, each in described.items()}
    nullable_text = {"type": ["null", "string"], "readOnly": True}
    properties |= dict.fromkeys(_TEXTS, nullable_text)
    properties |= {name: {"type": ["null", "integer"], "readOnly": True} for name in _NUMBERS}
    properties |= {name: {"type": "string", "readOnly": True} for name in _TIMES}
    properties["status"] = {"type": "string", "enum": _STATUS, "readOnly": True}
    properties["locations"] = {"type": "array", "items": {"type": "object"}}
    for name in READ_ONLY & properties.keys():
        properties[name]["description"] = "(READ-ONLY)"
    return {
        "name": "image",
        "properties": properties,
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def _member() -> Doc:
    names = ("created_at", "image_id", "member_id", "schema", "updated_at")
    properties: Doc = {name: {"type": "string"} for name in names}
    properties["status"] = {"type": "string", "enum": ["pending", "accepted", "rejected"]}
    return {"name": "member", "properties": properties}


def _namespace() -> Doc:
    """Of metadata definitions; see definitions.py."""
    names = ("namespace", "display_name", "description", "owner", "created_at", "updated_at")
    properties: Doc = {name: {"type": "string"} for name in (*names, "schema", "self")}
    properties["visibility"] = {"type": "string", "enum": ["public", "private"]}
    properties["protected"] = {"type": "boolean"}
    return {"name": "namespace", "properties": properties, "required": ["namespace"]}


def _resource_type() -> Doc:
    names = ("name", "prefix", "properties_target", "created_at", "updated_at")
    properties: Doc = {name: {"type": "string"} for name in names}
    return {"name": "resource_type", "properties": properties, "required": ["name"]}


def _several(one: Doc) -> Doc:
    plural = one["name"] + "s"
    texts = {name: {"type": "string"} for name in ("first", "next", "schema")}
    return {
        "name": plural,
        "properties": {plural: {"type": "array", "items": one}, **texts},
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


SCHEMAS: dict[str, Doc] = {
    "image": _image(),
    "images": _several(_image()),
    "member": _member(),
    "members": _several(_member()),
    "metadefs/namespace": _namespace(),
    "metadefs/namespaces": _several(_namespace()),
    "metadefs/resource_type": _resource_type(),
    "metadefs/resource_types": _several(_resource_type()),
}
