"""Delete for good what was softly deleted `conductor.reclaim_instance_interval_s` ago.

With an interval of 0 nothing is deleted softly any more. What was before is reclaimed at once; for
that the conductor looks when it starts and then rarely, since another service may have been started
later with the new setting.
"""

from __future__ import annotations

from dataclasses import replace

from common.db.stores import reconcilers
from common.domain.actions import DELETE, IDLE
from common.domain.states import VmState
from services.conductor.engine.context import Deps
from services.conductor.reconcilers.beginning import MOST, begin

RECLAIM = replace(DELETE, vm_states=frozenset({VmState.SOFT_DELETED}), task_states=IDLE)
"""A delete that begins once, and not when the server has just been restored."""

LOOK_AGAIN_S = 600.0


class ReclaimDeleted:
    """The task of one conductor."""

    def __init__(self) -> None:
        self._looks_at = float("-inf")
        """With an interval of 0: not before this, on the conductor's monotonic clock."""

    async def __call__(self, deps: Deps) -> int:
        interval_s = deps.settings.conductor.reclaim_instance_interval_s
        now = deps.clock.monotonic()
        if interval_s == 0 and now < self._looks_at:
            return 0
        due = await reconcilers.servers_to_reclaim(deps.pool, interval_s, MOST)
        if not due:
            self._looks_at = now + LOOK_AGAIN_S
        return sum([await begin(deps, uuid, RECLAIM, {}) for uuid in due])
