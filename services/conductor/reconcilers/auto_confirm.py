"""Confirm resizes that nobody has confirmed within `conductor.resize_confirm_window_s`."""

from __future__ import annotations

from common.db.stores import reconcilers
from common.domain.actions import CONFIRM_RESIZE
from services.conductor.engine.context import Deps
from services.conductor.reconcilers.beginning import MOST, begin


async def auto_confirm(deps: Deps) -> int:
    window_s = deps.settings.conductor.resize_confirm_window_s
    if window_s == 0:
        return 0
    count = 0
    for due in await reconcilers.resizes_to_confirm(deps.pool, window_s, MOST):
        state = {
            "migration_uuid": str(due.migration_uuid),
            "source": due.source,
            "source_generation": due.source_generation,
        }
        count += await begin(deps, due.uuid, CONFIRM_RESIZE, state)
    return count
