"""All workflows this conductor runs.

Owns: finding them (woken by a message, by the end of a predecessor, by the sweep), keeping their
leases, running each as a task, handing over on stop.
May not: know what a workflow does. Crash story: leases run out after `conductor.lease_s` and
another conductor's sweep takes the rows; this process, if it was only frozen, finds on its next
renewal or commit that the lease is gone and drops the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from common.bus.port import BusClosed
from common.bus.topology import CONDUCTOR
from common.db.stores import workflows as store
from common.db.stores.workflows import Leased, Workflow
from common.messages.scheduler import HostSelected
from common.messages.workflow import RunWorkflow
from common.runtime.tasks import Tasks
from services.conductor.engine.context import Deps
from services.conductor.engine.definition import Definition
from services.conductor.engine.lease import LeaseLost
from services.conductor.engine.run import Run

log = structlog.get_logger(__name__)

_UNKNOWN_KIND_WAIT_S = 5.0
_BROKEN_RUN_WAIT_S = 2.0


@dataclass(frozen=True)
class _Held:
    run: Run
    task: asyncio.Task[None]


class Workers:
    """Runs workflows, at most `conductor.max_workflows` at a time."""

    def __init__(
        self,
        deps: Deps,
        definitions: Mapping[str, Definition],
        tasks: Tasks,
        observe: Callable[[str, str, str], None],
    ) -> None:
        self._deps = deps
        self._definitions = definitions
        self._tasks = tasks
        self._observe = observe
        self._settings = deps.settings.conductor
        self._owner = f"{self._settings.host_name}:{deps.ids.uuid()}"
        self._held: dict[int, _Held] = {}
        self._missing: set[int] = set()
        """Not ours at the last renewal: lost, or ended by its own run at that very moment. Only
        the second time says which."""
        self._backlog = False
        """Some were left for lack of room."""
        self._sweeping = asyncio.Lock()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._held)

    @property
    def _room(self) -> int:
        return 0 if self._stopping else self._settings.max_workflows - len(self._held)

    async def wake(self, workflow_id: int, proposal: HostSelected | None = None) -> None:
        """Take this workflow if it may run now; `proposal`: where its first step may place it."""
        if self._room <= 0:
            self._backlog = True  # the sweep, here or elsewhere, takes it when there is room
            return
        pool, asked_at = self._deps.pool, self._deps.clock.monotonic()
        found = await store.read_fresh(pool, workflow_id) or await store.lease(
            pool, workflow_id, self._owner, self._settings.lease_s
        )
        if found is not None:
            await self._start(found, asked_at, proposal)

    def overtake(self, server_uuid: UUID) -> None:
        """A delete has come for this server."""
        for held in self._held.values():
            if held.run.workflow.server_uuid == server_uuid:
                held.run.overtake()

    async def sweep(self) -> None:
        """Take what nobody holds, as much as there is room for."""
        async with self._sweeping:
            if (room := self._room) <= 0:
                return
            asked_at = self._deps.clock.monotonic()
            taken = await store.sweep(self._deps.pool, self._owner, self._settings.lease_s, room)
            self._backlog = len(taken) == room
            for found in taken:
                await self._start(found, asked_at)

    async def renew(self) -> None:
        """Keep our leases, take one for each run that is longer than a moment; drop runs whose
        lease is gone, tell those that a delete has come."""
        held = dict(self._held)
        leased = [number for number, each in held.items() if each.run.workflow.leased]
        if leased:
            await self._renew(leased, held)
        for number in held.keys() - leased:
            if not await held[number].run.take_lease():
                self._drop(number, held[number])

    async def _renew(self, leased: Sequence[int], held: Mapping[int, _Held]) -> None:
        asked_at = self._deps.clock.monotonic()
        ours, cancelled = await store.renew(
            self._deps.pool, self._owner, leased, self._settings.lease_s
        )
        for number in ours:
            held[number].run.lease.extend(asked_at, self._settings.lease_s)
        missing = {number for number in leased if number not in ours}
        for number in cancelled:
            held[number].run.overtake()
        for number in missing & self._missing:
            self._drop(number, held[number])
        self._missing = missing

    def _drop(self, number: int, lost: _Held) -> None:
        if self._held.get(number) is lost:
            log.warning("lease_lost", workflow=number)
            lost.run.lose()
            lost.task.cancel()

    async def _start(
        self, found: Leased, asked_at: float, proposal: HostSelected | None = None
    ) -> None:
        workflow, server = found.workflow, found.server
        definition = self._definitions.get(workflow.kind)
        if definition is None or server is None:
            log.error("workflow_cannot_run", kind=workflow.kind, id=workflow.id)
            await store.park(self._deps.pool, workflow, _UNKNOWN_KIND_WAIT_S)
            return
        if (before := self._held.pop(workflow.id, None)) is not None:
            before.run.lose()  # our own lease had run out and we took it again
            before.task.cancel()
        run = Run(
            self._deps,
            definition,
            workflow,
            server,
            owner=self._owner,
            asked_at=asked_at,
            observe=self._observe,
            proposal=proposal,
        )
        name = f"workflow-{workflow.kind}-{workflow.id}"
        self._held[workflow.id] = held = _Held(run, self._tasks.spawn(name, self._run(run)))
        # Also when the task is cancelled before its first step.
        held.task.add_done_callback(lambda _: self._forget(workflow.id, held))

    def _forget(self, number: int, held: _Held) -> None:
        if self._held.get(number) is held:
            del self._held[number]
        if self._backlog and self._room > 0 and not self._sweeping.locked():
            self._tasks.spawn("sweep", self.sweep())

    async def _run(self, run: Run) -> None:
        workflow = run.workflow
        try:
            with structlog.contextvars.bound_contextvars(
                request_id=workflow.request_id, server=str(workflow.server_uuid)
            ):
                await run.to_the_end()
        except LeaseLost:
            log.warning("lease_lost", workflow=workflow.id)
        except Exception:
            # The database went away, or a promise was broken: let go and try again later.
            log.exception("workflow_run_broke", kind=workflow.kind, id=workflow.id)
            await self._let_go(workflow)
        else:
            if run.followers:
                await self._next(workflow.server_uuid)

    async def _let_go(self, workflow: Workflow) -> None:
        try:
            await store.park(self._deps.pool, workflow, _BROKEN_RUN_WAIT_S)
        except Exception as error:
            log.warning("workflow_left_to_its_lease", id=workflow.id, error=repr(error))

    async def _next(self, server_uuid: UUID) -> None:
        """What waited for this workflow may run now."""
        if self._stopping:
            return
        asked_at = self._deps.clock.monotonic()
        follower = await store.lease_next(
            self._deps.pool, server_uuid, self._owner, self._settings.lease_s
        )
        if follower is not None:
            await self._start(follower, asked_at)

    async def hand_over(self) -> None:
        """Stop running; give leases back and wake other conductors."""
        self._stopping = True
        held = list(self._held.values())
        for each in held:
            each.task.cancel()
        await asyncio.gather(*(each.task for each in held), return_exceptions=True)
        workflows = [each.run.workflow for each in held]
        if not workflows:
            return
        await store.release(self._deps.pool, self._owner, [w.id for w in workflows])
        for workflow in workflows:
            wake_up = RunWorkflow(workflow_id=workflow.id, server_uuid=str(workflow.server_uuid))
            try:
                await self._deps.bus.publish(CONDUCTOR, wake_up)
            except BusClosed as error:
                log.info("wake_up_lost", error=str(error))
                return
