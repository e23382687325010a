"""How a workflow is declared.

Owns: the shape of a workflow file's opening table.
May not: hold state; a definition is shared by every run of its kind.

A workflow is a list of steps. Each step's `do` may be repeated after a crash, wholly or in part, so
it must find what it did before (ports by device id, a claim by server, a guest by generation).
Progress and the changes a step asks for are committed together after it. When a step fails the
steps before it are undone backwards, its own undo first: it may have been done half.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.conductor.engine.context import Context

StepFunction = Callable[["Context"], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """One thing to do, and how to undo it."""

    name: str
    do: StepFunction
    undo: StepFunction | None = None
    deadline_s: float = 60.0
    """`do` fails with Timeout after this; transient errors are retried until then."""


async def _nothing(_context: Context) -> None:
    return


def _no_reroute(_context: Context, _error: Exception) -> str | None:
    return None


@dataclass(frozen=True)
class Definition:
    """A kind of workflow. Its file in services/conductor/workflows has the same name."""

    kind: str
    steps: tuple[Step, ...]
    failed: StepFunction = _nothing
    """After unwinding: put the server into the state that says so, close what was opened (events,
    the migration). When a delete has overtaken the workflow the engine leaves out the server's
    state; it is the delete's then. `context.error` says what happened."""
    reroute: Callable[[Context, Exception], str | None] = _no_reroute
    """Decides, when a step has failed, to undo back to (and including) the named step and go on
    from there, e.g. on another host. Returns None to give up."""
    overtakable: bool = True
    """A delete may cut it short. False for the delete itself."""

    def index(self, step_name: str) -> int:
        return next(n for n, step in enumerate(self.steps) if step.name == step_name)
