"""From valid input to typed values: what a handler reads is an int, a bool, a canonical UUID.

Owns: compiling a schema into one function that rebuilds only what has to change. A schema says
what a value becomes by the keyword `becomes`; clients may send many forms of it.
May not: decide whether input is valid, but for what JSON Schema cannot say (512.0 is no integer).
Crash story: none, pure functions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import jsonschema_rs

from common.errors import InvalidInput
from services.api.http.formats import FORMATS, moment

BECOMES = "becomes"
"""Keyword of our schemas: "integer", "number", "boolean", "uuid" or "time"."""
TRUE = (True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes")
FALSE = (False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no")

Coerce = Callable[[Any, str], Any]
"""(value, name of the field) -> the typed value; raises `InvalidInput`."""


def compiled(schema: Mapping[str, Any]) -> Coerce | None:
    """None: everything in it stays as it is."""
    if BECOMES in schema:
        return _nullable(_KINDS[schema[BECOMES]])
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return _branching(branches)
    if "items" in schema:
        return _each(compiled(schema["items"]))
    return _members(schema)


def _nullable(coerce: Coerce) -> Coerce:
    return lambda value, name: None if value is None else coerce(value, name)


def _integer(value: Any, name: str) -> int:
    if isinstance(value, float):
        raise InvalidInput(
            f"Invalid input for field/attribute {name}. Value: {value}. "
            f"{value} is not of type 'integer', 'string'"
        )
    return int(value)


def _number(value: Any, _name: str) -> float:
    return float(value)


def _boolean(value: Any, _name: str) -> bool:
    return value in TRUE


def _uuid(value: Any, _name: str) -> Any:
    return str(UUID(value)) if value else value


def _time(value: Any, _name: str) -> dt.datetime:
    return moment(value)


_KINDS: dict[str, Coerce] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "uuid": _uuid,
    "time": _time,
}


def _each(item: Coerce | None) -> Coerce | None:
    if item is None:
        return None

    def coerce(value: Any, name: str) -> Any:
        return [item(each, name) for each in value] if isinstance(value, list) else value

    return coerce


def _members(schema: Mapping[str, Any]) -> Coerce | None:
    known = {
        name: becomes
        for name, member in schema.get("properties", {}).items()
        if (becomes := compiled(member)) is not None
    }
    if not known:
        return None

    def coerce(value: Any, _name: str) -> Any:
        if not isinstance(value, dict):
            return value
        changed = {name: known[name](each, name) for name, each in value.items() if name in known}
        return {**value, **changed} if changed else value

    return coerce


def _branching(branches: list[Mapping[str, Any]]) -> Coerce | None:
    """The first branch that the value fits says what it becomes."""
    choices = [(compiled(branch), branch) for branch in branches]
    if not any(coerce for coerce, _ in choices):
        return None
    engines = [
        (
            choice,
            jsonschema_rs.Draft202012Validator(
                dict(branch), formats=FORMATS, validate_formats=True
            ),
        )
        for choice, branch in choices
    ]

    def coerce(value: Any, name: str) -> Any:
        for choice, engine in engines:
            if engine.is_valid(value):
                return choice(value, name) if choice else value
        return value

    return coerce
