"""The pieces request schemas are made of.

Owns: types that occur in several resources. Each is a plain JSON Schema (2020-12) dict; schema
functions must not change them. May not: know any resource. Crash story: none.
"""

from __future__ import annotations

from typing import Any

from services.api.http.coercion import BECOMES, FALSE, TRUE
from services.api.operation import Schema

INT32_MAX = 2**31 - 1

BOOLEAN: Schema = {"type": ["boolean", "string"], "enum": [*TRUE, *FALSE], BECOMES: "boolean"}
"""A boolean or one of the words for it; handlers read a bool."""
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}
DESCRIPTION: Schema = {"type": ["string", "null"], "maxLength": 65535, "format": "nova-printable"}
HOST: Schema = {
    "type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9\-._]*$"
}  # fmt: skip
PROJECT_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
UUID: Schema = {"type": "string", "format": "uuid", BECOMES: "uuid"}
"""Handlers read it in the canonical form."""
TIME: Schema = {"type": "string", "format": "date-time", BECOMES: "time"}
"""Handlers read an aware datetime in UTC."""
TEXT: Schema = {"type": "string"}
SHORT_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 255}


def integer(low: int, high: int = INT32_MAX) -> Schema:
    """A whole number, also as text; handlers read an int."""
    return {
        "type": ["integer", "string"],
        "pattern": "^-?[0-9]+$" if low < 0 else "^[0-9]+$",
        "minimum": low,
        "maximum": high,
        "textRange": [low, high],
        BECOMES: "integer",
    }


def record(properties: dict[str, Schema], *, required: tuple[str, ...] = ()) -> Schema:
    """An object with these keys and no others."""
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return {**schema, "required": list(required)} if required else schema


def wrapped(key: str, schema: Schema) -> Schema:
    """The body that has the one key `key`."""
    return record({key: schema}, required=(key,))


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    kinds: Any = schema["type"]
    made = {**schema, "type": [*(kinds if isinstance(kinds, list) else [kinds]), "null"]}
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    return made
