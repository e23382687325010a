"""One SQL statement put together from named parts.

Owns: numbering parameters, and joining common table expressions. May not: run anything, or take
text from input: what comes from outside is a parameter. Crash story: none, it is text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Sql(str):
    """A value as an SQL expression instead of a parameter; never made from input."""

    __slots__ = ()


class Statement:
    """`with <part>, <part> ... select ...`; the same parts in the same order give the same text, so
    each shape is prepared once a connection."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.parameters: list[Any] = []

    def value(self, value: Any, cast: str = "") -> str:
        """A placeholder for `value`, e.g. "$3::text" for cast "text"; an `Sql` as it is."""
        if isinstance(value, Sql):
            return value
        self.parameters.append(value)
        return f"${len(self.parameters)}" + (f"::{cast}" if cast else "")

    def assignments(self, columns: Mapping[str, Any]) -> str:
        """The list after SET. Column names are ours."""
        return ", ".join(f"{name} = {self.value(value)}" for name, value in columns.items())

    def part(self, name: str, text: str) -> None:
        self._parts.append(f"{name} as ({text})")

    def text(self, select: str) -> str:
        return f"with {', '.join(self._parts)}\n{select}"
