"""Bodies of the actions that give a server security groups and take them away."""

from __future__ import annotations

from services.api.operation import Schema, SchemaOf
from services.api.schemas.parts import record, wrapped


def named(key: str) -> SchemaOf:
    """`{key: {"name": ...}}`."""
    group = record({"name": {"type": "string", "minLength": 1}}, required=("name",))
    schema: Schema = wrapped(key, group)
    return lambda _v: schema
