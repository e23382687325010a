"""Delete for good what was softly deleted `conductor.reclaim_instance_interval_s` ago.

With an interval of 0 nothing is deleted softly any more; what was before is reclaimed at once.
"""

from __future__ import annotations

from common.db.stores import reconcilers
from common.domain.actions import DELETE
from services.conductor.engine.context import Deps
from services.conductor.tasks.beginning import MOST, begin


async def reclaim_deleted(deps: Deps) -> int:
    interval_s = deps.settings.conductor.reclaim_instance_interval_s
    due = await reconcilers.servers_to_reclaim(deps.pool, interval_s, MOST)
    return sum([await begin(deps, uuid, DELETE, {}) for uuid in due])
