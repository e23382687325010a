"""Runs one leased workflow to its end.

Owns: going forward, retrying, unwinding, committing after each step.
May not: know any particular workflow. Crash story: the row says which step was next; whoever
leases it next repeats that step. A run that finds its lease gone stops without a word.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import structlog

from common.db.pool import OUT_OF_REACH
from common.db.statement import Sql
from common.db.stores.commit import Changes, Outcome, commit
from common.db.stores.workflows import Workflow
from common.domain.server import Server
from common.errors import Bug, MusterError, Timeout, Unavailable, from_code
from common.messages.compute import HostRecheck
from services.conductor.engine.context import Context, Deps, LeaseLost, Overtaken
from services.conductor.engine.definition import Definition, Step

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

_RESUME = "resume_step"
_RETRY_FIRST_S = 0.2
_RETRY_MOST_S = 2.0
_UNDO_DEADLINE_S = 30.0
_STATE = ("vm_state", "task_state", "fault")
"""Columns that belong to the delete once it has come."""


class Run:
    """One lease of one workflow."""

    def __init__(
        self,
        deps: Deps,
        definition: Definition,
        workflow: Workflow,
        server: Server,
        observe: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        self._deps = deps
        self._definition = definition
        self._workflow = workflow
        self._server = server
        self._observe = observe
        self._ends_at = deps.clock.monotonic() + workflow.remaining_s
        self._resumed = True
        self._overtaken = workflow.cancel_requested and definition.overtakable
        self._interruptible: asyncio.Task[None] | None = None
        self._ended = False

    def overtake(self) -> None:
        """A delete has come: cut the present step short and unwind."""
        if self._definition.overtakable and not self._overtaken:
            self._overtaken = True
            if self._interruptible is not None:
                self._interruptible.cancel()

    async def to_the_end(self) -> None:
        """Return when the workflow's row is gone. Raises LeaseLost."""
        while not self._ended:
            if self._workflow.unwinding:
                await self._undo_step()
            else:
                await self._do_step()

    def _context(self, step: Step, deadline_s: float) -> Context:
        error = self._workflow.error
        return Context(
            deps=self._deps,
            workflow=self._workflow,
            server=self._server,
            step_name=step.name,
            deadline=self._deps.clock.monotonic() + deadline_s,
            resumed=self._resumed,
            error=from_code(error["code"], error["message"]) if error else None,
        )

    async def _do_step(self) -> None:
        workflow, definition = self._workflow, self._definition
        step = definition.steps[workflow.step]
        left_s = max(0.0, self._ends_at - self._deps.clock.monotonic())
        context = self._context(step, min(step.deadline_s, left_s))
        try:
            await self._interruptibly(step, context)
            workflow.step += 1
            self._ended = workflow.step == len(definition.steps)
            context.changes.action_finished = self._ended
            await self._commit(context.changes)
        except (asyncio.CancelledError, LeaseLost, *OUT_OF_REACH):
            raise  # without the database nobody knows what was committed: the row will say
        except Exception as error:
            if not isinstance(error, MusterError):
                log.exception("step_broke", kind=workflow.kind, step=step.name)
            self._ended = False
            workflow.step = definition.index(step.name)
            await self._turn_back(step, context, error)
        else:
            self._observe(workflow.kind, step.name, "done")
            self._resumed = False

    async def _interruptibly(self, step: Step, context: Context) -> None:
        if self._overtaken:
            raise Overtaken
        task = asyncio.current_task()
        assert task is not None, "a run is a task"
        self._interruptible = task
        try:
            await self._with_retries(step, context)
        except asyncio.CancelledError:
            # A cancel of ours (a delete came) is not a cancel of the process's (it stops).
            if self._overtaken and task.uncancel() == 0:
                raise Overtaken from None
            raise
        finally:
            self._interruptible = None

    async def _with_retries(self, step: Step, context: Context) -> None:
        """Transient errors are repeated until the step's deadline."""
        clock, pause_s = self._deps.clock, _RETRY_FIRST_S
        while True:
            left_s = context.deadline - clock.monotonic()
            try:
                async with asyncio.timeout(left_s) as limit:
                    await step.do(context)
                    return
            except MusterError as error:
                if not error.retryable:
                    raise
                trouble = error
            except OUT_OF_REACH as error:
                if limit.expired():
                    raise Timeout(f"{step.name} took longer than allowed") from error
                trouble = Unavailable(f"the database cannot be reached: {error!r}")
            if context.deadline - clock.monotonic() <= pause_s:
                raise trouble
            log.info("step_retried", step=step.name, error=str(trouble))
            context.changes = Changes()
            context.resumed = True  # the answer is lost, not necessarily what was done
            await clock.sleep(self._deps.random.uniform(pause_s / 2, pause_s))
            pause_s = min(pause_s * 2, _RETRY_MOST_S)

    async def _turn_back(self, step: Step, context: Context, error: Exception) -> None:
        """From going forward to unwinding, in one commit."""
        workflow = self._workflow
        workflow.unwinding = True
        kind = error.code if isinstance(error, MusterError) else Bug.code
        text = str(error) if isinstance(error, MusterError) else type(error).__name__
        workflow.error = {"code": kind, "message": text, "step": step.name}
        context.changes = Changes()
        if isinstance(error, Overtaken):
            self._overtaken = True
        else:
            resume = self._definition.reroute(context, error)
            if resume is not None:
                workflow.state[_RESUME] = self._definition.index(resume)
        self._observe(workflow.kind, step.name, "failed")
        log.info(
            "workflow_unwinds",
            kind=workflow.kind,
            server=str(workflow.server_uuid),
            step=step.name,
            error=repr(error),
            resume=workflow.state.get(_RESUME),
        )
        await self._commit(context.changes)
        self._resumed = False

    async def _undo_step(self) -> None:
        workflow = self._workflow
        step = self._definition.steps[workflow.step]
        context = self._context(step, _UNDO_DEADLINE_S)
        await self._undo(step, context)
        resume = None if self._overtaken else workflow.state.get(_RESUME)
        if workflow.step > (resume or 0):
            workflow.step -= 1
        elif resume is not None:
            workflow.unwinding, workflow.error = False, None
            workflow.attempt += 1
            del workflow.state[_RESUME]
        else:
            await self._definition.failed(context)
            context.changes.action_finished = True
            context.changes.action_failed = True
            self._ended = True
        if self._overtaken:
            for column in _STATE:
                context.changes.server.pop(column, None)
        await self._commit(context.changes)
        self._observe(workflow.kind, step.name, "undone")

    async def _undo(self, step: Step, context: Context) -> None:
        """Undo must end: transient errors are repeated, then it is reported and passed over; the
        reconcilers find what was left."""
        if step.undo is None:
            return
        undoing = Step(f"{step.name}.undo", step.undo)
        context.step_name = undoing.name
        try:
            await self._with_retries(undoing, context)
        except Exception as error:
            log.error(
                "undo_failed",
                kind=self._workflow.kind,
                server=str(self._workflow.server_uuid),
                step=step.name,
                error=repr(error),
                exc_info=None if isinstance(error, MusterError) else error,
            )
            context.changes = Changes()

    async def _commit(self, changes: Changes) -> None:
        workflow = self._workflow
        anyway = workflow.unwinding or not self._definition.overtakable
        committed = await commit(
            self._deps.pool, workflow, changes, ended=self._ended, even_if_cancelled=anyway
        )
        if committed.outcome is Outcome.CANCELLED:
            raise Overtaken
        if committed.outcome is not Outcome.WRITTEN:
            raise LeaseLost(f"workflow {workflow.id}")
        for host in changes.recheck_hosts:
            await self._deps.bus.publish_event(f"host.{host}", HostRecheck(host=host))
        known = {k: v for k, v in changes.server.items() if not isinstance(v, Sql)}
        self._server = dataclasses.replace(self._server, **known)
