"""Whether input fits its schema, and what to tell the caller when it does not.

Owns: compiled schemas, one per (operation, distinct schema). A fast engine decides; the standard
one is only asked for the words of a failure, because clients match on them.
May not: change input, except for the v2 dialect that drops what it does not know; what valid
values become is in coercion.py.
Crash story: none; compiled again by the next process.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, Protocol

import jsonschema_rs
import orjson

from common.errors import InvalidInput
from services.api.http import coercion
from services.api.http.formats import FORMATS
from services.api.http.numbers import TextRange
from services.api.operation import Operation, Schema
from services.api.versions import EVERY_QUERY_CLOSED

_NO_PARAMETERS: Schema = {"type": "object", "additionalProperties": False}


class _Engine(Protocol):
    def is_valid(self, instance: Any) -> bool: ...


class Validator:
    """One schema, compiled."""

    def __init__(self, schema: Schema, *, subject: str) -> None:
        """`subject` is how a failure names a value: "field/attribute" or "query parameters"."""
        self.schema = schema
        self._subject = subject
        self._coerce = coercion.compiled(schema)
        self._engine: _Engine = jsonschema_rs.Draft202012Validator(
            schema, formats=FORMATS, validate_formats=True, keywords={"textRange": TextRange}
        )

    def check(self, instance: Any) -> None:
        """Raises `InvalidInput` with the words clients know."""
        if not self._engine.is_valid(instance):
            raise InvalidInput(self._explain(instance))

    def typed(self, instance: Any) -> Any:
        """What `check` has found valid, as handlers read it (services/api/http/coercion.py)."""
        return instance if self._coerce is None else self._coerce(instance, "")

    def _explain(self, instance: Any) -> str:
        from services.api.http import (
            validation_messages,  # slow to import and needed by failures only
        )

        return validation_messages.explain(self.schema, instance, self._subject)


class Validators:
    """The schemas of all operations, compiled when first used."""

    def __init__(self) -> None:
        self._shared: dict[tuple[bytes, str], Validator] = {}
        self._bodies: dict[tuple[str, int, int], Validator] = {}
        self._queries: dict[tuple[str, int, int], Validator | None] = {}

    def body(self, operation: Operation, version: int) -> Validator:
        """For an operation that takes a body."""
        key = (operation.id, operation.since, version)
        found = self._bodies.get(key)
        if found is None:
            if operation.body is None:
                raise ValueError(f"{operation.id} takes no body")
            found = self._compile(operation.body(version), "field/attribute")
            self._bodies[key] = found
        return found

    def query(self, operation: Operation, version: int) -> Validator | None:
        """None where parameters are neither looked at nor refused."""
        key = (operation.id, operation.since, version)
        if key not in self._queries:
            schema = _query_schema(operation, version)
            self._queries[key] = schema and self._compile(schema, "query parameters")
        return self._queries[key]

    def _compile(self, schema: Schema, subject: str) -> Validator:
        key = (orjson.dumps(schema, option=orjson.OPT_SORT_KEYS), subject)
        if key not in self._shared:
            self._shared[key] = Validator(schema, subject=subject)
        return self._shared[key]


def _query_schema(operation: Operation, version: int) -> Any:
    if operation.query is not None:
        return operation.query(version)
    closed = operation.method == "GET" and version >= EVERY_QUERY_CLOSED
    return _NO_PARAMETERS if closed else None


def known_parameters(validator: Validator, query: dict[str, list[str]]) -> dict[str, list[str]]:
    """The parameters the operation declares; the others were allowed but mean nothing."""
    known: Mapping[str, Any] = validator.schema.get("properties", {})
    patterns: Mapping[str, Any] = validator.schema.get("patternProperties", {})
    return {
        name: values
        for name, values in query.items()
        if name in known or any(re.search(pattern, name) for pattern in patterns)
    }


def as_v2(schema: Schema, value: Any) -> Any:
    """`value` as the v2 dialect reads it: unknown keys dropped, blanks around names removed."""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        drop = schema.get("additionalProperties") is False and "patternProperties" not in schema
        return {
            name: as_v2(properties.get(name, {}), item)
            for name, item in value.items()
            if name in properties or not drop
        }
    if isinstance(value, list):
        return [as_v2(schema.get("items", {}), item) for item in value]
    if isinstance(value, str) and _is_name(orjson.dumps(schema)):
        return value.strip()
    return value


@functools.lru_cache(maxsize=1000)
def _is_name(schema: bytes) -> bool:
    return b'"format":"name"' in schema or b'"format":"az_name"' in schema
