"""How a workflow is declared.

Owns: the shape of a workflow file's opening table.
May not: hold state; a definition is shared by every run of its kind.
Crash story: none; constants.

A workflow is a list of steps. Each step's `do` may be repeated after a crash, wholly or in part, so
it must find what it did before (ports by server, a guest by generation). Progress and the changes a
step asks for are committed together after it.

One step may be the *pivot*: with its commit the workflow has succeeded for the server. When a step
up to the pivot fails, the steps are undone backwards, its own undo first: it may have been done
half. A step after the pivot only cleans up: when it fails it is passed over, and what stays is
written down as leftovers, which reconcilers work off. So every workflow ends, and never twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.db.stores.commit import Leftover
    from services.conductor.engine.context import Context

StepFunction = Callable[["Context"], Awaitable[None]]
Writer = Callable[["Context"], None]
"""Pure: only writes into `context.changes`, from what the context knows. It cannot fail."""


def _nothing(_context: Context) -> None:
    return


def _no_reroute(_context: Context, _error: Exception) -> str | None:
    return None


def _always(_context: Context) -> bool:
    return True


def _no_leftovers(_context: Context) -> list[Leftover]:
    return []


@dataclass(frozen=True)
class Step:
    """One thing to do, and how to undo it."""

    name: str
    do: StepFunction
    undo: StepFunction | None = None
    deadline_s: float = 60.0
    """`do` fails with Timeout after this; transient errors are retried until then."""
    undo_deadline_s: float = 30.0
    """`undo` is given up after this; transient errors are retried until then."""
    pivot: bool = False
    """Its commit is the point of no return."""
    durable: bool = True
    """False: its progress is committed with the next step's. For a step that is cheap to repeat and
    whose outcome nobody else needs to see before that."""
    needed: Callable[[Context], bool] = _always
    """Pure; False skips the step, forwards and backwards, as if it were not there. What it looks at
    must not change while the workflow runs. Not for the first step or the pivot."""
    otherwise: Writer = _nothing
    """After the pivot: what must be written although the step could not be done."""
    left: Callable[[Context], list[Leftover]] = _no_leftovers
    """Pure: what may stay behind when undoing the step, or doing it after the pivot, is given up,
    or when its run turns out to have lost its lease."""


@dataclass(frozen=True)
class Definition:
    """A kind of workflow. Its file in services/conductor/workflows has the same name."""

    kind: str
    steps: tuple[Step, ...]
    failed: Writer = _nothing
    """After unwinding: put the server into the state that says so, close what was opened (events,
    the migration). When a delete has overtaken the workflow the engine leaves out the server's
    state; it is the delete's then. `context.error` says what happened."""
    reroute: Callable[[Context, Exception], str | None] = _no_reroute
    """Decides, when a step has failed, to undo back to (and including) the named step and go on
    from there, e.g. on another host. Returns None to give up."""
    overtakable: bool = True
    """A delete may cut it short. False for the delete itself."""
    forward_only: bool = False
    """There is no way back from the start on: every step cleans up."""

    def index(self, step_name: str) -> int:
        return next(n for n, step in enumerate(self.steps) if step.name == step_name)

    def only_forward(self, step: int) -> bool:
        """Whether step number `step` comes after the pivot."""
        return self.forward_only or any(earlier.pivot for earlier in self.steps[:step])

    def left_by(self, step: Step, context: Context) -> list[Leftover]:
        """What a run may leave that ends at this step, with those to be committed with it."""
        last = first = self.steps.index(step)
        while first and not self._is_committed(first - 1, context):
            first -= 1
        done = [each for each in self.steps[first : last + 1] if each.needed(context)]
        return [left for each in done for left in each.left(context)]

    def after(self, step: int, context: Context) -> int:
        """Number of the next step that is needed; how many there are when it was the last."""
        following = range(step + 1, len(self.steps))
        return next((n for n in following if self.steps[n].needed(context)), len(self.steps))

    def before(self, step: int, context: Context) -> int:
        """Number of the step that is undone after `step`; the first when there is none."""
        earlier = range(step - 1, 0, -1)
        return next((n for n in earlier if self.steps[n].needed(context)), 0)

    def next_commit(self, step: int, context: Context) -> int:
        """Number of the step with which `step`, or what follows it, is committed."""
        while not self._is_committed(step, context):
            following = self.after(step, context)
            if following == len(self.steps):
                break
            step = following
        return step

    def _is_committed(self, step: int, context: Context) -> bool:
        return self.steps[step].durable and self.steps[step].needed(context)
