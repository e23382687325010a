"""All workflows this conductor holds.

Owns: taking leases (woken by a message or by the sweep), renewing them, running each workflow as
a task, handing over on stop.
May not: know what a workflow does. Crash story: leases run out after `conductor.lease_s` and
another conductor's sweep takes the rows; this process, if it was only frozen, finds on its next
renewal or commit that the lease is gone and drops the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from common.bus.topology import CONDUCTOR
from common.db.stores import workflows as store
from common.db.stores.workflows import Workflow
from common.messages.workflow import RunWorkflow
from common.runtime.tasks import Tasks
from services.conductor.engine.context import Deps, LeaseLost
from services.conductor.engine.definition import Definition
from services.conductor.engine.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

log = structlog.get_logger(__name__)

_UNKNOWN_KIND_WAIT_S = 5.0
_BROKEN_RUN_WAIT_S = 2.0


class Crew:
    """Runs leased workflows, at most `conductor.max_workflows` at a time."""

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
        self._runs: dict[int, tuple[Workflow, Run, asyncio.Task[None]]] = {}
        self._missing: set[int] = set()
        """Not ours at the last renewal: lost, or ended by its own run at that very moment. Only
        the second time says which."""
        self._stopping = False

    def __len__(self) -> int:
        return len(self._runs)

    async def wake(self, workflow_id: int) -> None:
        """Take this workflow if it may run now."""
        if self._stopping or len(self._runs) >= self._settings.max_workflows:
            return  # the sweep, here or elsewhere, takes it when there is room
        workflow = await store.lease(
            self._deps.pool, workflow_id, self._owner, self._settings.lease_s
        )
        if workflow is not None:
            self._start(workflow)

    def overtake(self, server_uuid: UUID) -> None:
        """A delete has come for this server."""
        for workflow, run, _ in self._runs.values():
            if workflow.server_uuid == server_uuid:
                run.overtake()

    async def sweep(self) -> None:
        """Take what nobody holds."""
        room = self._settings.max_workflows - len(self._runs)
        if self._stopping or room <= 0:
            return
        for workflow in await store.sweep(
            self._deps.pool, self._owner, self._settings.lease_s, min(room, 100)
        ):
            self._start(workflow)

    async def renew(self) -> None:
        """Keep our leases; drop runs whose lease is gone, tell those that a delete has come."""
        ids = list(self._runs)
        if not ids:
            return
        ours, cancelled = await store.renew(
            self._deps.pool, self._owner, ids, self._settings.lease_s
        )
        missing: set[int] = set()
        for workflow_id in ids:
            held = self._runs.get(workflow_id)
            if held is None:
                continue
            _, run, task = held
            if workflow_id in cancelled:
                run.overtake()
            elif workflow_id not in ours:
                missing.add(workflow_id)
                if workflow_id in self._missing:
                    log.warning("lease_lost", workflow=workflow_id)
                    task.cancel()
        self._missing = missing

    def _start(self, workflow: Workflow) -> None:
        if workflow.id in self._runs:  # our own lease had run out and we took it again
            self._runs.pop(workflow.id)[2].cancel()
        self._tasks.spawn(f"workflow-{workflow.kind}-{workflow.id}", self._run(workflow))

    async def _run(self, workflow: Workflow) -> None:
        task = asyncio.current_task()
        assert task is not None, "spawned as a task"
        ended = False
        try:
            definition = self._definitions.get(workflow.kind)
            server = await store.server_read(self._deps.pool, workflow.server_uuid)
            if definition is None or server is None:
                log.error("workflow_cannot_run", kind=workflow.kind, id=workflow.id)
                await store.park(self._deps.pool, workflow, _UNKNOWN_KIND_WAIT_S)
                return
            run = Run(self._deps, definition, workflow, server, self._observe)
            self._runs[workflow.id] = (workflow, run, task)
            with structlog.contextvars.bound_contextvars(
                request_id=workflow.request_id, server=str(workflow.server_uuid)
            ):
                await run.to_the_end()
            ended = True
        except LeaseLost:
            log.warning("lease_lost", workflow=workflow.id)
        except asyncio.CancelledError:
            raise
        except Exception:
            # The database went away, or a promise was broken: let go and try again later.
            log.exception("workflow_run_broke", kind=workflow.kind, id=workflow.id)
            await self._let_go(workflow)
        finally:
            if (held := self._runs.get(workflow.id)) is not None and held[2] is task:
                del self._runs[workflow.id]
        if ended:
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
        follower = await store.lease_next(
            self._deps.pool, server_uuid, self._owner, self._settings.lease_s
        )
        if follower is not None:
            self._start(follower)

    async def hand_over(self) -> None:
        """Stop running; give leases back and wake other conductors."""
        self._stopping = True
        held = list(self._runs.values())
        for _, _, task in held:
            task.cancel()
        await asyncio.gather(*(task for _, _, task in held), return_exceptions=True)
        workflows = [workflow for workflow, _, _ in held]
        if not workflows:
            return
        await store.release(self._deps.pool, self._owner, [w.id for w in workflows])
        for workflow in workflows:
            await self._deps.bus.publish(
                CONDUCTOR,
                RunWorkflow(workflow_id=workflow.id, server_uuid=str(workflow.server_uuid)),
            )
