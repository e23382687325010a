"""The operators in values of extra specs, as in "s== ssd" or "<or> a <or> b".

Owns: what each means. A value without an operator is the text it must be equal to.
May not: raise for what cannot be compared; it does not match. Crash story: none, pure functions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

_NUMBERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
}
_TEXTS: dict[str, Callable[[Any, Any], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s>=": operator.ge,
    "s>": operator.gt,
    "s<=": operator.le,
    "s<": operator.lt,
    "<in>": operator.contains,
}
_OR, _ALL_IN = "<or>", "<all-in>"


def match(value: str | None, wanted: str) -> bool:
    """Whether an attribute (None: there is none) is as the extra spec wants it."""
    if value is None:
        return False
    name, *words = wanted.split() or [""]
    if name == _OR:
        return value in words[::2]
    if name in _NUMBERS:
        return bool(words) and _numbers(_NUMBERS[name], value, words[0])
    if name in _TEXTS:
        return bool(words) and _TEXTS[name](value, words[0])
    if name == _ALL_IN:
        return bool(words) and all(word in value for word in words)
    return value == wanted


def _numbers(compare: Callable[[Any, Any], bool], value: str, wanted: str) -> bool:
    try:
        return compare(float(value), float(wanted))
    except ValueError:
        return False
