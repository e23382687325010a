"""From method and path to the declared operation.

Owns: the table of all operations as a tree of path segments, and the choice among rows of the
same operation by action key and microversion.
May not: read headers or bodies. Crash story: none; built once from the declarations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from common.errors import InvalidInput, NotFound
from services.api import versions
from services.api.operation import Misdeclared, Operation

Ranges = list[Operation]
"""Rows of one operation with disjoint microversion ranges."""


@dataclass
class Target:
    """What a method on a path can do."""

    names: list[str] = field(default_factory=list)
    """Names of the path's parameters, in order."""
    plain: Ranges = field(default_factory=list)
    actions: dict[str, Ranges] = field(default_factory=lambda: defaultdict(list))


@dataclass
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    targets: dict[str, Target] = field(default_factory=dict)


class Router:
    """All operations. Literal segments win over parameters."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        node, names = self._root, []
        for segment in operation.path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
        target = node.targets.setdefault(operation.method, Target(names))
        if target.names != names:
            raise Misdeclared(f"{operation.id}: another operation calls the parameters {names}")
        rows = target.actions[operation.action] if operation.action else target.plain
        for other in rows:
            if other.since <= operation.until and operation.since <= other.until:
                raise Misdeclared(f"{operation.id}: two rows for the same microversion")
        rows.append(operation)

    def find(self, method: str, segments: list[str]) -> tuple[Target, dict[str, str]] | None:
        """The target and the path's parameters; None for a path or method nobody declared."""
        values: list[str] = []
        target = _walk(self._root, segments, 0, method, values)
        return None if target is None else (target, dict(zip(target.names, values, strict=True)))


def _walk(
    node: _Node, segments: list[str], depth: int, method: str, values: list[str]
) -> Target | None:
    if depth == len(segments):
        return node.targets.get(method)
    child = node.literal.get(segments[depth])
    if child is not None and (found := _walk(child, segments, depth + 1, method, values)):
        return found
    if node.parameter is not None and segments[depth]:
        values.append(segments[depth])
        if found := _walk(node.parameter, segments, depth + 1, method, values):
            return found
        values.pop()
    return None


def choose_action(target: Target, body: object) -> Ranges:
    """The rows for the single key of an action's body; raises `InvalidInput`."""
    if not isinstance(body, dict) or len(body) != 1:
        raise InvalidInput("Malformed request body")
    (action,) = body
    if action not in target.actions:
        raise InvalidInput(f"There is no such action: {action}")
    return target.actions[action]


def choose_version(rows: Ranges, version: int) -> Operation:
    """The row for a microversion; raises `NotFound` outside all ranges."""
    for row in rows:
        if row.since <= version <= row.until:
            return row
    raise NotFound(f"API version '{versions.show(version)}' is not supported on this method.")
