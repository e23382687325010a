"""Delete for good what was softly deleted `conductor.reclaim_instance_interval_s` ago.

With an interval of 0 nothing is deleted softly any more; what was before is reclaimed at once.
"""

from __future__ import annotations

from dataclasses import replace

from common.db.stores import reconcilers
from common.domain.actions import DELETE, IDLE
from common.domain.states import VmState
from services.conductor.engine.context import Deps
from services.conductor.tasks.beginning import MOST, begin

RECLAIM = replace(DELETE, vm_states=frozenset({VmState.SOFT_DELETED}), task_states=IDLE)
"""A delete that begins once, and not when the server has just been restored."""


async def reclaim_deleted(deps: Deps) -> int:
    interval_s = deps.settings.conductor.reclaim_instance_interval_s
    due = await reconcilers.servers_to_reclaim(deps.pool, interval_s, MOST)
    return sum([await begin(deps, uuid, RECLAIM, {}) for uuid in due])
