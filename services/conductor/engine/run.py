"""Runs one workflow to its end.

Owns: going forward, unwinding, passing over, committing after each step, taking the lease.
May not: know any particular workflow. Crash story: the row says which step was next; whoever
leases it next repeats that step. A run that finds its lease gone stops; what it may have made
meanwhile it writes down as leftovers.

A fresh workflow begins without a lease: its first commit takes it, by compare-and-set of the epoch,
and `take_lease` does when the first step is a long one. Of two runs of one workflow only one gets
there, as when a lease has run out.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import structlog

from common.db.pool import out_of_reach
from common.db.statement import Sql
from common.db.stores import workflows as store
from common.db.stores.commit import (
    CLAIMED_HOST,
    CLAIMED_NODE,
    Changes,
    Committed,
    Outcome,
    commit,
)
from common.db.stores.workflows import Workflow
from common.domain.server import Server
from common.domain.states import VmState
from common.errors import Bug, MusterError, from_code
from common.messages.scheduler import HostSelected
from services.conductor.engine.announcements import announce
from services.conductor.engine.context import RESUME, Context, Deps, Overtaken
from services.conductor.engine.definition import Definition, Step
from services.conductor.engine.lease import Lease, LeaseLost
from services.conductor.engine.remains import confess, with_reason
from services.conductor.engine.retries import until_deadline

log = structlog.get_logger(__name__)

_GIVEN_UP = "undo_given_up"
_STATE = ("vm_state", "task_state", "fault")
"""Columns that belong to the delete once it has come."""


class Run:
    """One lease of one workflow, or what may become one. `owner`: who leases."""

    def __init__(
        self,
        deps: Deps,
        definition: Definition,
        workflow: Workflow,
        server: Server,
        *,
        owner: str,
        asked_at: float,
        observe: Callable[[str, str, str], None],
        proposal: HostSelected | None = None,
    ) -> None:
        self.workflow = workflow
        self.followers = True
        """Whether other workflows of the server wait for the end of this one."""
        self._deps = deps
        self._definition = definition
        self._server = self._committed = server
        """With what is carried, and as last written."""
        self._owner, conductor = owner, deps.settings.conductor
        self._lease_s = conductor.lease_s
        self.lease = Lease(
            deps.clock, asked_at, conductor.lease_s if workflow.leased else conductor.reserve_s
        )
        self._observe = observe
        self._proposal = None if workflow.leased else proposal
        self._ends_at = deps.clock.monotonic() + workflow.remaining_s
        self._resumed = workflow.leased
        self._overtaken = workflow.cancel_requested and definition.overtakable
        self._lost = False
        self._interruptible: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        """A commit and a renewal must not both take the lease."""
        self._carried = Changes()
        """Of steps that are not durable by themselves."""
        self._ended = False

    def overtake(self) -> None:
        """A delete has come: cut the present step short and unwind."""
        if self._definition.overtakable and not self._overtaken:
            self._overtaken = True
            if self._interruptible is not None:
                self._interruptible.cancel()

    def lose(self) -> None:
        """It is another's; the task is about to be cancelled for it."""
        self._lost = True

    async def take_lease(self) -> bool:
        """Lease the workflow unless it is leased; False: it is another's, or has ended. Does not
        wait for a commit under way, which takes the lease or ends the workflow: one that waits for
        a row would keep all other leases from being renewed."""
        if self._writing.locked():
            return True
        async with self._writing:
            if self.workflow.leased or self._ended:
                return not self._ended
            asked_at = self._deps.clock.monotonic()
            taken = await store.take(self._deps.pool, self.workflow, self._owner, self._lease_s)
            if taken:
                self.lease.extend(asked_at, self._lease_s)
            return taken

    async def to_the_end(self) -> None:
        """Return when the workflow's row is gone. Raises LeaseLost."""
        while not self._ended:
            if self.workflow.unwinding:
                await self._undo_step()
            else:
                await self._do_step()

    def _context(self, step: Step, deadline_s: float) -> Context:
        error = self.workflow.error
        return Context(
            deps=self._deps,
            workflow=self.workflow,
            server=self._server,
            lease=self.lease,
            step_name=step.name,
            deadline=self._deps.clock.monotonic() + deadline_s,
            resumed=self._resumed,
            error=from_code(error["code"], error["message"]) if error else None,
            changes=copy.deepcopy(self._carried),
            proposal=self._proposal,
        )

    # Forward

    async def _do_step(self) -> None:
        workflow, definition = self.workflow, self._definition
        step = definition.steps[workflow.step]
        left_s = max(0.0, self._ends_at - self._deps.clock.monotonic())
        context = self._context(step, min(step.deadline_s, left_s))
        at = workflow.step
        try:
            while True:
                await self._interruptibly(step, context)
                if await self._advance(step, context):
                    break
                context.claim_refused = True
                self._start_over(context)
        except LeaseLost:
            await confess(context, definition.left_by(step, context))
            raise
        except asyncio.CancelledError:
            if self._lost:
                await confess(context, definition.left_by(step, context))
            raise
        except Exception as error:
            if out_of_reach(error):
                raise  # without the database nobody knows what was committed: the row will say
            if not isinstance(error, MusterError):
                log.exception("step_broke", kind=workflow.kind, step=step.name)
            self._ended = False
            workflow.step = at
            if definition.only_forward(at):
                await self._pass_over(step, context, error)
            else:
                await self._turn_back(step, context, error)
        else:
            self._observe(workflow.kind, step.name, "done")

    async def _advance(self, step: Step, context: Context) -> bool:
        """Commit the step, or carry its changes to the next; False: what it wanted to claim has
        been filled by others."""
        workflow, at = self.workflow, self.workflow.step
        workflow.step = self._definition.after(at, context)
        last = workflow.step == len(self._definition.steps)
        if not step.durable and not last:
            self._carried = context.changes
            self._remember(context.changes, None)
            return True
        self._ended = context.changes.action_finished = last
        forward = self._definition.only_forward(at)
        if await self._commit(context, even_if_cancelled=forward):
            return True
        workflow.step = at
        self._ended = False
        return False

    async def _interruptibly(self, step: Step, context: Context) -> None:
        if self._overtaken:
            raise Overtaken
        task = asyncio.current_task()
        assert task is not None, "a run is a task"
        self._interruptible = task
        try:
            await until_deadline(step.name, step.do, context, self._start_over)
        except asyncio.CancelledError:
            # A cancel of ours (a delete came) is not a cancel of the process's (it stops).
            if self._overtaken and task.uncancel() == 0:
                raise Overtaken from None
            raise
        finally:
            self._interruptible = None

    def _start_over(self, context: Context) -> None:
        context.changes = copy.deepcopy(self._carried)
        context.proposal = None
        context.resumed = True  # the answer is lost, not necessarily what was done

    async def _pass_over(self, step: Step, context: Context, error: Exception) -> None:
        """After the pivot: what the step could not clean up is written down, and on it goes."""
        log.warning("step_passed_over", step=step.name, error=repr(error), **self._names())
        if isinstance(error, Overtaken):
            self._overtaken = True
        self._start_over(context)
        context.error = _shown(error)
        step.otherwise(context)
        context.changes.leftovers += with_reason(step.left(context), error)
        context.changes.action_failed = True
        self.workflow.step = self._definition.after(self.workflow.step, context)
        self._ended = self.workflow.step == len(self._definition.steps)
        context.changes.action_finished = self._ended
        self._leave_to_delete(context)
        await self._commit(context, even_if_cancelled=True)
        self._observe(self.workflow.kind, step.name, "passed_over")

    # Backward

    async def _turn_back(self, step: Step, context: Context, error: Exception) -> None:
        """From going forward to unwinding, in one commit."""
        workflow = self.workflow
        workflow.unwinding = True
        if self._resumed:  # whoever died here may have been as far as the next commit
            workflow.step = self._definition.next_commit(workflow.step, context)
        shown = _shown(error)
        text = str(error) if isinstance(error, MusterError) else type(error).__name__
        workflow.error = {"code": shown.code, "message": text, "step": step.name}
        self._carried = context.changes = Changes()
        self._server = self._committed  # what was carried here will not be written
        if isinstance(error, Overtaken):
            self._overtaken = True
        else:
            resume = self._definition.reroute(context, error)
            if resume is not None:
                workflow.state[RESUME] = self._definition.index(resume)
        self._observe(workflow.kind, step.name, "failed")
        log.info(
            "workflow_unwinds",
            step=step.name,
            error=repr(error),
            resume=workflow.state.get(RESUME),
            **self._names(),
        )
        await self._commit(context, even_if_cancelled=True)

    async def _undo_step(self) -> None:
        workflow = self.workflow
        at, step = workflow.step, self._definition.steps[workflow.step]
        context = self._context(step, step.undo_deadline_s)
        await self._undo(step, context)
        undone = copy.deepcopy(context.changes)
        resume = None if self._overtaken else workflow.state.get(RESUME)
        if at > (resume or 0):
            workflow.step = self._definition.before(at, context)
            await self._commit(context, even_if_cancelled=True)
        elif resume is None or not await self._resume(context):
            context.changes = undone
            await self._fail(context)
        self._observe(workflow.kind, step.name, "undone")

    async def _resume(self, context: Context) -> bool:
        """Go forward again; False when a delete has come at this very moment."""
        workflow = self.workflow
        before = copy.deepcopy((workflow.state, workflow.error))
        workflow.unwinding, workflow.error = False, None
        workflow.attempt += 1
        del workflow.state[RESUME]
        try:
            await self._commit(context, even_if_cancelled=False)
        except Overtaken:
            self._overtaken = workflow.unwinding = True
            workflow.attempt -= 1
            workflow.state, workflow.error = before
            return False
        return True

    async def _fail(self, context: Context) -> None:
        """All is undone: the end, with the reason."""
        undone = copy.deepcopy(context.changes)
        try:
            self._definition.failed(context)
        except Exception:
            # It is pure, so it would raise again and again; the server must not be stuck for it.
            log.exception("failed_broke", **self._names())
            context.changes = undone
            fault = context.fault(context.error or Bug())
            context.change_server(vm_state=VmState.ERROR, task_state=None, fault=fault)
        context.changes.action_finished = context.changes.action_failed = True
        self._ended = True
        self._leave_to_delete(context)
        await self._commit(context, even_if_cancelled=True)

    async def _undo(self, step: Step, context: Context) -> None:
        """Undo must end: transient errors are repeated, then what stays is written down for the
        reconcilers."""
        if step.undo is None:
            return
        context.step_name = f"{step.name}.undo"
        try:
            await until_deadline(context.step_name, step.undo, context, self._start_over)
        except LeaseLost:
            raise
        except Exception as error:
            log.error(
                "undo_failed",
                step=step.name,
                error=repr(error),
                exc_info=None if isinstance(error, MusterError) else error,
                **self._names(),
            )
            self.workflow.state[_GIVEN_UP] = step.name
            context.changes = Changes(leftovers=with_reason(step.left(context), error))

    # Writing

    def _leave_to_delete(self, context: Context) -> None:
        if self._overtaken:
            for column in _STATE:
                context.changes.server.pop(column, None)

    async def _commit(self, context: Context, *, even_if_cancelled: bool) -> bool:
        """Write the progress and the context's changes. False: no host of the claim has room.
        Raises `LeaseLost`, and `Overtaken` unless `even_if_cancelled`."""
        workflow, changes = self.workflow, context.changes
        anyway = even_if_cancelled or not self._definition.overtakable
        async with self._writing:
            asked_at = self._deps.clock.monotonic()
            takes = not workflow.leased and not self._ended
            committed = await commit(
                self._deps.pool,
                workflow,
                changes,
                ended=self._ended,
                even_if_cancelled=anyway,
                take_lease=(self._owner, self._lease_s) if takes else None,
                known=self._committed,
            )
            if committed.outcome is Outcome.LOST:
                raise LeaseLost(f"workflow {workflow.id}")
            if committed.outcome is Outcome.CANCELLED:
                raise Overtaken
            if committed.outcome is Outcome.REFUSED:
                return False
            if takes:
                workflow.leased = True
                workflow.lease_epoch += 1
                self.lease.extend(asked_at, self._lease_s)
        self._carried, self._proposal = Changes(), None
        self._resumed = False  # whoever was here before got no further than this
        self.followers = committed.followers
        self._remember(changes, committed)
        self._committed = self._server
        await announce(context)
        return True

    def _remember(self, changes: Changes, committed: Committed | None) -> None:
        """What was written, as the next step shall see it."""
        claimed: dict[str, str | None] = {}
        if committed is not None and changes.claim is not None:
            places = {"host": committed.host, "node": committed.node}
            claimed = {CLAIMED_HOST: committed.host, CLAIMED_NODE: committed.node}
            for key, place in changes.claimed_state.items():
                self.workflow.state[key] = places[place]
        known: dict[str, Any] = {
            column: claimed.get(value, value) if isinstance(value, Sql) else value
            for column, value in changes.server.items()
            if not isinstance(value, Sql) or value in claimed
        }
        if changes.devices:
            known["block_devices"] = tuple(
                now
                for device in self._server.block_devices
                if (now := changes.devices.get(device.uuid, device)) is not None
            )
        self._server = dataclasses.replace(self._server, **known)

    def _names(self) -> dict[str, str]:
        return {"kind": self.workflow.kind, "server": str(self.workflow.server_uuid)}


def _shown(error: Exception) -> MusterError:
    """An unexpected error shows only its class to users."""
    return error if isinstance(error, MusterError) else Bug(type(error).__name__)
