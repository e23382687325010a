"""Sorting and paging of lists, the way all the services do it.

Owns: `sort_key`, `sort_dir`, `limit`, `marker` semantics. May not: filter; each service's filters
have a language of their own. Crash story: pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.standins.store import Doc
from services.standins.web import Fault


def sorted_by(docs: Sequence[Doc], keys: Sequence[tuple[str, bool]]) -> list[Doc]:
    """Stable sort; `keys` are (field, descending), most significant first. Absent sorts first."""
    result = list(docs)
    for name, descending in reversed(keys):
        result.sort(key=lambda doc: _order(doc.get(name)), reverse=descending)
    return result


def _order(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    if isinstance(value, bool | int | float):
        return (1, value)
    return (2, str(value))


def read_limit(text: str | None, default: int | None, most: int) -> int | None:
    """`limit` as a number; None means no limit."""
    if text is None:
        return default
    if not text.isdecimal():
        raise Fault(400, f"Invalid input for limit: '{text}' is not a whole number of 0 or more")
    return min(int(text), most)


def page(docs: Sequence[Doc], limit: int | None, marker: str | None) -> tuple[list[Doc], bool]:
    """The documents after `marker`, and whether there are more behind them."""
    start = 0
    if marker is not None:
        places = [n for n, doc in enumerate(docs) if doc["id"] == marker]
        if not places:
            raise Fault(400, f"Invalid input for marker: '{marker}' is not in this list")
        start = places[0] + 1
    if limit is None:
        return list(docs[start:]), False
    return list(docs[start : start + limit]), len(docs) > start + limit
