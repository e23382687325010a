"""Hint query: an expression over attributes of the host (services/scheduler/attributes.py), e.g.
["and", [">=", "$free_ram_mb", 1024], ["=", "$hypervisor_type", "QEMU"]].

Comparisons are of the first argument with all others. What names no attribute is left out; what is
no expression is true nowhere.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from services.scheduler import attributes
from services.scheduler.hosts import Flags, Hosts, Request

_MOST_DEEP = 50
Column: TypeAlias = NDArray[Any]

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class _NoQueryError(Exception):
    """It is not an expression."""


def asked(request: Request) -> bool:
    return bool(request.hints.get("query"))


def answers(hosts: Hosts, request: Request) -> Flags:
    if not asked(request):
        return hosts.everywhere()
    query = request.hints["query"]
    try:
        return _flags(hosts, orjson.loads(query) if isinstance(query, str) else query, 0)
    except (_NoQueryError, orjson.JSONDecodeError):
        return ~hosts.everywhere()


def _flags(hosts: Hosts, query: Any, depth: int) -> Flags:
    """The hosts for which an expression is true."""
    if not isinstance(query, list) or depth > _MOST_DEEP:
        raise _NoQueryError
    if not query:
        return hosts.everywhere()
    name, *parts = query
    if name in {"and", "or", "not"}:
        arguments = [_flags(hosts, part, depth + 1) for part in parts]
        if name == "and":
            return reduce(operator.and_, arguments, hosts.everywhere())
        truth = reduce(operator.or_, arguments, ~hosts.everywhere())
        return truth if name == "or" else ~truth
    columns = [column for part in parts if (column := _column(hosts, part)) is not None]
    if len(columns) < 2:
        return ~hosts.everywhere()
    first, others = columns[0], columns[1:]
    if name == "in":
        equal = (_compared(operator.eq, first, other) for other in others)
        return reduce(operator.or_, equal, ~hosts.everywhere())
    if name not in _COMPARISONS:
        raise _NoQueryError
    true = (_compared(_COMPARISONS[name], first, other) for other in others)
    return reduce(operator.and_, true, hosts.everywhere())


def _column(hosts: Hosts, part: Any) -> Column | None:
    """An argument for each host; None: it has no value."""
    if isinstance(part, str) and part.startswith("$"):
        return attributes.column(hosts, part[1:].split("."))
    if isinstance(part, str | int | float):
        return np.full(len(hosts), part)
    raise _NoQueryError


def _compared(compare: Callable[[Any, Any], Any], left: Column, right: Column) -> Flags:
    """A text and a number are never equal, and neither is less."""
    if (left.dtype.kind == "U") != (right.dtype.kind == "U"):
        return np.zeros(len(left), dtype=np.bool_)
    flags: Flags = compare(left, right)
    return flags
