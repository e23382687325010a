"""`muster fuzz --bodies`: what the largest and nastiest bodies cost an API process.

For every operation and every place in its schema a body of up to 100 KB that is expensive to judge
there: endless texts, thousands of equal or different items, thousands of keys. Measured is the
processor time of validation, with the words of the refusal, as the API does it.
Owns: making the bodies and timing them. May not: need a cluster. Crash story: none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from common.errors import InvalidInput
from services.api.handlers import all_operations
from services.api.http.validation import Validators
from services.api.operation import Operation, Schema

SIZE_BYTES = 100_000
_TEXTS = ("a", "0", "-", " ", "a,", "0-1,", "^0,", "é", "a.", "a:", "[", "é-")
"""Repeated to the full size; each is the worst of some pattern or format."""


@dataclass(frozen=True)
class Cost:
    operation: str
    version: int
    place: str
    seconds: float


def costs(version: int) -> Iterator[Cost]:
    """One for each body."""
    validators = Validators()
    for row in all_operations():
        if row.since <= version <= row.until and row.body is not None:
            yield from _of_operation(row, version, validators)


def _of_operation(row: Operation, version: int, validators: Validators) -> Iterator[Cost]:
    validator = validators.body(row, version)
    for place, body in bodies(validator.schema):
        began = time.process_time()
        try:
            validator.check(body)
            validator.typed(body)
        except InvalidInput:
            pass
        yield Cost(row.id, version, place, time.process_time() - began)


def bodies(schema: Schema) -> Iterator[tuple[str, Any]]:
    """(what is nasty about it, the body) for every place of the schema."""
    yield from _values(schema)
    yield from _inside(schema)


def _inside(schema: Schema) -> Iterator[tuple[str, Any]]:
    for branch in [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        yield from bodies(branch)
    if isinstance(schema.get("items"), dict):
        for place, item in _inside(schema["items"]):
            yield f"[]{place}", [item]
    for name, inner in schema.get("properties", {}).items():
        for place, value in bodies(inner):
            yield f".{name}{place}", {**_required(schema), name: value}


def _required(schema: Schema) -> dict[str, Any]:
    return dict.fromkeys(schema.get("required", ()), "a")


def _values(schema: Schema) -> Iterator[tuple[str, Any]]:
    for text in _TEXTS:
        yield f" = {text!r}...", (text * SIZE_BYTES)[:SIZE_BYTES]
    item = _smallest(schema.get("items", {}))
    yield " = equal items", [item] * (SIZE_BYTES // 8)
    yield " = different numbers", list(range(SIZE_BYTES // 6))
    yield " = different texts", [f"{number:x}" for number in range(SIZE_BYTES // 8)]
    yield " = different objects", [{"a": number} for number in range(SIZE_BYTES // 12)]
    yield " = many keys", {f"k{number}": "" for number in range(SIZE_BYTES // 12)}
    yield " = many lists", [[] for _ in range(SIZE_BYTES // 3)]
    yield " = a long number", 10**300


def _smallest(schema: Schema) -> Any:
    kind = schema.get("type", "object")
    first = kind[0] if isinstance(kind, list) else kind
    return {"string": "a", "integer": 1, "array": [], "boolean": True}.get(first, {})
