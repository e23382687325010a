"""The one declaration of an operation, from which everything else about it follows.

Owns: the shape of a row. Router, preparation, policy, validation, metrics, the coverage table and
the tests read it.
May not: hold behaviour. Crash story: none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from common.errors import MusterError
from services.api.request import Request
from services.api.targets import OWN, Target
from services.api.versions import MAX, MIN

Schema = dict[str, Any]
SchemaOf = Callable[[int], Schema]
"""Microversion to JSON Schema (2020-12). Called once per operation and microversion."""


@dataclass(frozen=True)
class Reply:
    """What a handler answers. `body` is anything orjson can write; None sends no body."""

    body: Any = None
    status: int | None = None
    """None: the operation's `success`."""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Reply]]
Rule = str | Callable[[Request], str]
"""The name of a policy rule, or which one it is for what the request says."""


class Misdeclared(MusterError):
    """The code's own declarations do not fit together."""

    code = "misdeclared"


@dataclass(frozen=True)
class Operation:
    """One method and path (and, for actions, body key) over a range of microversions."""

    method: str
    path: str
    """Relative to /v2.1[/{project_id}], e.g. "/servers/{server_id}"."""
    handler: Handler
    policy: Rule | None
    """Decided against `target` before the handler runs. None: everybody with a token may."""
    target: Target = OWN
    """What the operation is about; found, and policy decided against it, before the handler."""
    since: int = MIN
    until: int = MAX
    body: SchemaOf | None = None
    """None: a body is ignored."""
    query: SchemaOf | None = None
    """Schema of {name: [values]}; None: a GET takes no parameters (unknown ones are dropped
    below 2.102 and refused from there), other methods ignore them."""
    success: int | Callable[[int], int] = 200
    action: str | None = None
    """The single key of the body, for POST .../action."""
    may_answer: tuple[int, ...] = ()
    """Statuses beside `success` and the refusals that every operation may answer with."""
    removed: int | None = None
    """The status with which an operation that once was says that it is no more."""

    @property
    def id(self) -> str:
        """Stable name, e.g. "POST /servers/{server_id}/action#reboot"."""
        suffix = f"#{self.action}" if self.action else ""
        return f"{self.method} {self.path}{suffix}"

    def status(self, version: int) -> int:
        return self.success if isinstance(self.success, int) else self.success(version)


def check_rules(operations: Iterable[Operation], rules: Container[str]) -> None:
    """Raises `Misdeclared` for operations whose policy nobody has declared.

    One that is a function of the request is seen when it is asked (services/api/policy.py).
    """
    unknown = [
        f"{operation.id} names {operation.policy}"
        for operation in operations
        if isinstance(operation.policy, str) and operation.policy not in rules
    ]
    if unknown:
        raise Misdeclared(f"policy rules missing in services/api/policies: {'; '.join(unknown)}")
