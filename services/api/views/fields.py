"""Fields of an answer, each with the versions and the policy under which it is shown.

Owns: compiling a declaration into a render function, once per (microversion, allowed policies).
May not: look anything up while rendering. Crash story: none, pure functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.api.request import Request
from services.api.versions import MAX, MIN

Getter = Callable[[Any, Request], Any]
"""(item, request) -> value of the field."""

OMIT: Any = object()
"""What a getter returns for a field that this item does not have."""


@dataclass(frozen=True)
class Field:
    """One key of a rendered item.

    Of two fields of the same name that both apply the later one counts.
    """

    name: str
    get: Getter
    since: int = MIN
    until: int = MAX
    policy: str | None = None
    """The field is left out where this rule denies."""


def attribute(name: str) -> Getter:
    """Read an attribute of the item."""
    return lambda item, _request: getattr(item, name)


def column(name: str) -> Getter:
    """Read a key of the item: a database record or a dict."""
    return lambda item, _request: item[name]


class View:
    """A declared shape: `View([Field(...), ...])`."""

    def __init__(self, fields: list[Field]) -> None:
        self._fields = fields
        self._policies = sorted({field.policy for field in fields if field.policy})
        self._compiled: dict[tuple[int, frozenset[str]], list[tuple[str, Getter]]] = {}

    def renderer(self, request: Request) -> Callable[[Any], dict[str, Any]]:
        """A function from item to dict for this request.

        Policies are asked once, for the request's target (in a list: the caller's own project),
        and only those whose fields the request's version has.
        """
        allowed = frozenset(
            policy
            for policy in self._policies
            if self._in_version(policy, request.v) and request.can(policy)
        )
        getters = self._compile(request.v, allowed)
        return lambda item: {
            name: value for name, get in getters if (value := get(item, request)) is not OMIT
        }

    def _in_version(self, policy: str, version: int) -> bool:
        return any(f.policy == policy and f.since <= version <= f.until for f in self._fields)

    def _compile(self, version: int, allowed: frozenset[str]) -> list[tuple[str, Getter]]:
        key = (version, allowed)
        if key not in self._compiled:
            self._compiled[key] = [
                (field.name, field.get)
                for field in self._fields
                if field.since <= version <= field.until
                and (field.policy is None or field.policy in allowed)
            ]
        return self._compiled[key]
