"""Schemas of query parameters: each name has the list of its values, all texts.

Owns: the types parameters have. May not: know any resource. Crash story: none.
"""

from __future__ import annotations

from services.api.http.coercion import BECOMES
from services.api.operation import Schema, SchemaOf
from services.api.schemas.parts import INT32_MAX

ANY: Schema = {"type": "string"}
LIMIT: Schema = {
    "type": "string",
    "minLength": 1,
    "pattern": "^[0-9]*$",
    "textRange": [0, INT32_MAX],
    BECOMES: "integer",
}


def once(value: Schema) -> Schema:
    """A parameter that may not be repeated."""
    return {**many(value), "maxItems": 1}


def many(value: Schema) -> Schema:
    """A parameter that may be repeated."""
    return {"type": "array", "items": value}


def parameters(properties: dict[str, Schema], *, closed: bool) -> Schema:
    """All parameters of an operation. `closed` refuses every other name; otherwise it is
    allowed and dropped."""
    schema: Schema = {"type": "object", "properties": properties}
    return {**schema, "additionalProperties": False} if closed else schema


def closed_from(version: int, **properties: Schema) -> SchemaOf:
    """These repeatable parameters at every version; other names are refused from `version`."""
    declared = {name: many(value) for name, value in properties.items()}
    return lambda v: parameters(declared, closed=v >= version)


def any_parameters(_version: int) -> Schema:
    """Everything is allowed and nothing looked at."""
    return {"type": "object"}
