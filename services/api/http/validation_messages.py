"""The words of a validation failure.

Owns: turning "this does not fit the schema" into the sentence that clients of the Compute API
know. May not: decide; a failure that this engine does not see is worded by the one that does.
Crash story: none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

from services.api.http.formats import FORMATS


def _checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, predicate in FORMATS.items():
        checker.checks(name)(lambda value, _is=predicate: not isinstance(value, str) or _is(value))
    return checker


def _text_range(
    _validator: Any, limits: list[float], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    from services.api.http.validation import _TextRange

    try:
        _TextRange(None, limits, None).validate(instance)
    except ValueError as error:
        yield ValidationError(str(error))


_FORMATS = _checker()
_Words: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, validators={"textRange": _text_range}
)


def explain(schema: dict[str, Any], instance: Any, subject: str) -> str:
    """Why `instance` does not fit `schema`; `subject` names what a value belongs to."""
    error = best_match(_Words(schema, format_checker=_FORMATS).iter_errors(instance))
    if error is None:
        return _second_opinion(schema, instance)
    if not error.absolute_path:
        return str(error.message)
    # The name of a query parameter comes first in the path, its position among values last.
    name = error.absolute_path[0 if subject == "query parameters" else -1]
    return f"Invalid input for {subject} {name}. Value: {error.instance}. {error.message}"


def _second_opinion(schema: dict[str, Any], instance: Any) -> str:
    """The deciding engine's own words, for the rare input on which the two disagree."""
    engine = jsonschema_rs.Draft202012Validator(schema, formats=FORMATS, validate_formats=True)
    for error in engine.iter_errors(instance):
        return f"Invalid input. {error.message}"
    return "Invalid input."
