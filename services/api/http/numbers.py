"""Numbers given as text.

Owns: the keyword `textRange` of our schemas, for both engines. May not: take long numbers apart:
Python refuses texts of more than some thousand digits, and those are out of every range.
Crash story: none, pure functions.
"""

from __future__ import annotations

import math
from typing import Any


class TextRange:
    """Keyword `textRange: [low, high]`: a number given as text obeys the number's limits."""

    def __init__(self, _parent: Any, limits: list[float], _path: Any) -> None:
        self._low, self._high = limits

    def validate(self, instance: Any) -> None:
        if isinstance(instance, str) and (value := _number(instance)) is not None:
            if value < self._low:
                raise ValueError(f"{instance!r} is less than the minimum of {self._low}")
            if value > self._high:
                raise ValueError(f"{instance!r} is greater than the maximum of {self._high}")


MOST_DIGITS = 64
"""Longer numbers are beyond every limit; Python refuses to convert very long ones at all."""


def _number(text: str) -> float | None:
    if len(text) > MOST_DIGITS:
        return -math.inf if text.startswith("-") else math.inf
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None
