"""Two engines, one verdict: what decides and what words the failure must agree."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from common.errors import InvalidInput
from services.api.handlers import all_operations
from services.api.http import validation_messages
from services.api.http.validation import Validator, as_v2
from services.api.operation import Schema
from services.api.schemas import parts, query


def _refused(schema: Schema, instance: Any, subject: str = "field/attribute") -> str:
    with pytest.raises(InvalidInput) as caught:
        Validator(schema, subject=subject).check(instance)
    return str(caught.value)


def test_words_at_the_top() -> None:
    schema = parts.wrapped("thing", parts.record({"a": parts.integer(1)}))
    assert _refused(schema, None) == "None is not of type 'object'"
    assert _refused(schema, {}) == "'thing' is a required property"
    assert _refused(schema, {"thing": {}, "x": 1}) == (
        "Additional properties are not allowed ('x' was unexpected)"
    )


@pytest.mark.parametrize("value", [[[] for _ in range(2000)], {str(n): [] for n in range(2000)}])
def test_words_for_a_large_value_of_a_kind_that_no_branch_is_for(value: Any) -> None:
    schema = parts.record({"a": {"oneOf": [{"type": "string"}, {"type": "integer"}]}})
    assert _refused(schema, {"a": value}).endswith("is not valid under any of the given schemas")


def test_words_below_the_top() -> None:
    schema = parts.wrapped("thing", parts.record({"a": parts.integer(1)}))
    assert _refused(schema, {"thing": {"b": 1}}) == (
        "Invalid input for field/attribute thing. Value: {'b': 1}. "
        "Additional properties are not allowed ('b' was unexpected)"
    )
    assert _refused(schema, {"thing": {"a": "x"}}) == (
        "Invalid input for field/attribute a. Value: x. 'x' does not match '^[0-9]+$'"
    )


def test_words_about_parameters() -> None:
    schema = query.parameters({"limit": query.many(query.LIMIT)}, closed=True)
    assert _refused(schema, {"limit": ["-1"]}, "query parameters") == (
        "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'"
    )


@pytest.mark.parametrize("value", [0, "0", "00", -1, "-1", 6, "6", "x", "", None, True, 1.5, "1\n"])
def test_numbers_out_of_range_in_either_form(value: Any) -> None:
    _refused(parts.integer(1, 5), value)


@pytest.mark.parametrize("value", [1, "1", 5, "5", "05"])
def test_numbers_in_range(value: Any) -> None:
    Validator(parts.integer(1, 5), subject="x").check(value)


def test_every_schema_is_a_schema_at_every_version() -> None:
    distinct = {
        orjson.dumps(schema_of(version))
        for operation in all_operations()
        for schema_of in (operation.body, operation.query)
        if schema_of is not None
        for version in range(operation.since, operation.until + 1)
    }
    for schema in distinct:
        Draft202012Validator.check_schema(orjson.loads(schema))


_PIECES = [
    parts.BOOLEAN,
    parts.NAME,
    parts.DESCRIPTION,
    parts.HOST,
    parts.UUID,
    parts.integer(0),
    parts.integer(-1, 10),
    parts.nullable(parts.NAME),
    query.LIMIT,
]
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["true", "OFF", "0", "-1", "11", " a", "a ", "host-1.x", "a\n", "\u200b", "\U0001d518"]
    ),
)


@settings(max_examples=300, deadline=None)
@given(schema=st.sampled_from(_PIECES), value=_VALUES)
def test_engines_agree(schema: Schema, value: Any) -> None:
    decided = True
    try:
        Validator(schema, subject="x").check(value)
    except InvalidInput:
        decided = False
    words = validation_messages.explain(schema, value, "x")
    # The one known difference: in Python `$` also matches before a line break at the end.
    if not (isinstance(value, str) and value.endswith("\n")):
        assert decided == (words == "Invalid input.")


def test_v2_drops_and_strips() -> None:
    schema = parts.wrapped("thing", parts.record({"name": parts.NAME, "tags": parts.TEXT}))
    body = {"thing": {"name": "  a ", "tags": " b ", "more": 1}, "other": 2}
    assert as_v2(schema, body) == {"thing": {"name": "a", "tags": " b "}}
