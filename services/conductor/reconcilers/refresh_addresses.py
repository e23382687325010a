"""Compare servers with their ports, a page at a time, all of them in turn.

What the network service says at once comes through services/conductor/addresses.py as well; this
finds what it has not said, or what nobody has heard: names of networks and groups, lost events.
"""

from __future__ import annotations

from common.db.stores import addresses as store
from services.conductor import addresses
from services.conductor.engine.context import Deps

TURN = "refresh_addresses"


async def refresh_addresses(deps: Deps) -> int:
    """One page, unless another conductor has just had one. After the last it begins anew."""
    settings = deps.settings.network
    if settings.refresh_interval_s == 0:
        return 0
    mine, after = await store.take_turn(deps.pool, TURN, settings.refresh_interval_s)
    if not mine:
        return 0
    page = await store.page(deps.pool, after, settings.refresh_page)
    changed = await addresses.compare(deps, page)
    last = str(page[-1].uuid) if len(page) == settings.refresh_page else None
    if last != after:
        await store.end_turn(deps.pool, TURN, last)
    return changed
