"""The small part of a large body that does not fit, so that only that is looked at closely.

Owns: going down from a refused value to the refused part of it, a level at a time, by the engine
that decides. May not: take longer than a pass over the value for each level.
Crash story: none, pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema_rs

from services.api.http.formats import FORMATS
from services.api.http.numbers import TextRange

MOST_NODES = 1000
"""Objects, lists and values in what may be looked at closely. Requests that people make have some
dozens."""
_TYPES = {"object": dict, "array": list, "string": str}


class Part(NamedTuple):
    name: str | int | None
    """Its key or position; None: the whole."""
    schema: dict[str, Any]
    value: Any


def is_large(value: Any) -> bool:
    left, seen = [value], 0
    while left and seen <= MOST_NODES:
        node = left.pop()
        seen += 1
        if isinstance(node, dict):
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)
    return seen > MOST_NODES


def narrowed(schema: dict[str, Any], value: Any) -> Part:
    """The first refused part of a refused value that is not large; a large one of which no part is
    refused comes with a schema that says nothing about its parts."""
    part = Part(None, schema, value)
    while is_large(part.value):
        below = next(_refused_parts(part), None)
        if below is None:
            return _without_parts(part)
        part = below
    return part


def _without_parts(part: Part) -> Part:
    """Where none of several branches is for a value of its kind, an empty one stands for it: that
    is refused for the same reason."""
    if "oneOf" in part.schema or "anyOf" in part.schema:
        return part._replace(value=type(part.value)())
    return part._replace(schema=_itself(part.schema))


def _refused_parts(part: Part) -> Iterator[Part]:
    name, schema, value = part
    for branch in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        if _is_meant(branch, value):
            yield from _refused_parts(Part(name, branch, value))
            yield Part(name, _itself(branch), value)
    if isinstance(value, list) and "items" in schema:
        accepts = _engine(schema["items"])
        yield from (
            Part(at, schema["items"], item)
            for at, item in enumerate(value)
            if not accepts.is_valid(item)
        )
    elif isinstance(value, dict):
        for key, below in schema.get("properties", {}).items():
            if key in value and not _engine(below).is_valid(value[key]):
                yield Part(key, below, value[key])
        for pattern, below in schema.get("patternProperties", {}).items():
            accepts = _engine(below)
            for key, item in value.items():
                if re.search(pattern, key) and not accepts.is_valid(item):
                    yield Part(key, below, item)


def _is_meant(branch: dict[str, Any], value: Any) -> bool:
    """Whether it is the branch for values of that kind, and refuses this one."""
    kind = _TYPES.get(str(branch.get("type")))
    return kind is not None and isinstance(value, kind) and not _engine(branch).is_valid(value)


def _itself(schema: dict[str, Any]) -> dict[str, Any]:
    """What a schema says of a value but not of its parts."""
    own = {key: rule for key, rule in schema.items() if key not in {"items", "oneOf", "anyOf"}}
    for key in own.keys() & {"properties", "patternProperties"}:
        own[key] = dict.fromkeys(own[key], True)
    return own


def _engine(schema: dict[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator(
        schema, formats=FORMATS, validate_formats=True, keywords={"textRange": TextRange}
    )
