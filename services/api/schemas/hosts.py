"""What may be asked about and of hosts."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import record
from services.api.schemas.query import ANY, many, parameters

_TOGGLE: Schema = {
    "type": "string",
    "enum": [each for word in ("enable", "disable") for each in (word, word.title(), word.upper())],
}


def list_query(_v: int) -> Schema:
    return parameters({"zone": many(ANY)}, closed=False)


def update(_v: int) -> Schema:
    properties = {"status": _TOGGLE, "maintenance_mode": _TOGGLE}
    return {**record(properties), "anyOf": [{"required": [name]} for name in properties]}
