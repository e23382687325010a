"""The words of a validation failure.

Owns: turning "this does not fit the schema" into the sentence that clients of the Compute API
know. May not: decide; a failure that this engine does not see is worded by the one that does. Nor
take long: a body that was made to be refused must not cost more than one that is served.
Crash story: none.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

from services.api.http.formats import FORMATS
from services.api.http.narrowing import is_large, narrowed
from services.api.http.numbers import TextRange

MOST_CHARACTERS = 2048
"""Of what a message repeats from the request."""


def _checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, predicate in FORMATS.items():
        checker.checks(name)(lambda value, _is=predicate: not isinstance(value, str) or _is(value))
    return checker


def _text_range(
    _validator: Any, limits: list[float], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    try:
        TextRange(None, limits, None).validate(instance)
    except ValueError as error:
        yield ValidationError(str(error))


def _pattern(
    _validator: Any, pattern: str, instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    """By the engine that decides, whose time grows with the text and no faster."""
    if isinstance(instance, str) and not _matcher(pattern).is_valid(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@functools.cache
def _matcher(pattern: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"pattern": pattern})


def _unique(
    _validator: Any, wanted: bool, instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    """In one pass; comparing each with each takes minutes for a list of some thousand."""
    if wanted and isinstance(instance, list):
        distinct = {orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in instance}
        if len(distinct) < len(instance):
            yield ValidationError(f"{instance!r} has non-unique elements")


_FORMATS = _checker()
_Words: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={"textRange": _text_range, "pattern": _pattern, "uniqueItems": _unique},
)


def explain(schema: dict[str, Any], instance: Any, subject: str) -> str:
    """Why `instance` does not fit `schema`; `subject` names what a value belongs to."""
    part = narrowed(schema, instance)
    error = best_match(_Words(part.schema, format_checker=_FORMATS).iter_errors(part.value))
    if error is None:
        return _second_opinion(schema, instance)
    path = ([] if part.name is None else [part.name]) + list(error.absolute_path)
    if not path:
        return _shortened(error.message)
    # The name of a query parameter comes first in the path, its position among values last.
    name = path[0 if subject == "query parameters" else -1]
    value, reason = _shortened(error.instance), _shortened(error.message)
    return f"Invalid input for {subject} {name}. Value: {value}. {reason}"


def _shortened(value: Any) -> str:
    """The beginning, and the end, which says what is wrong with it."""
    text = str(value)
    if len(text) <= 2 * MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]} ... {text[-MOST_CHARACTERS:]}"


def _second_opinion(schema: dict[str, Any], instance: Any) -> str:
    """The deciding engine's own words, for the rare input on which the two disagree. They repeat
    all of it before they can be cut short."""
    if is_large(instance):
        return "Invalid input."
    engine = jsonschema_rs.Draft202012Validator(
        schema, formats=FORMATS, validate_formats=True, keywords={"textRange": TextRange}
    )
    try:
        engine.validate(instance)
    except jsonschema_rs.ValidationError as error:
        return f"Invalid input. {_shortened(error.message)}"
    return "Invalid input."
