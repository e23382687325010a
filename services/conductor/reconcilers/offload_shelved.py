"""Take shelved servers off their hosts after `conductor.shelved_offload_time_s`."""

from __future__ import annotations

from common.db.stores import reconcilers
from common.domain.actions import SHELVE_OFFLOAD
from services.conductor.engine.context import Deps
from services.conductor.reconcilers.beginning import MOST, begin


async def offload_shelved(deps: Deps) -> int:
    time_s = deps.settings.conductor.shelved_offload_time_s
    if time_s <= 0:  # at once, by the shelve itself, or never
        return 0
    due = await reconcilers.servers_to_offload(deps.pool, time_s, MOST)
    return sum([await begin(deps, uuid, SHELVE_OFFLOAD, {}) for uuid in due])
