"""Periodic tasks: each finds what is due and begins the action for it, like a request would.

They take no input, do bounded work, and never retry inside: the next turn finds what is left. One
whose feature is off asks the database nothing.
Any number of conductors run them; beginning an action is a compare-and-set, so each fires once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from services.conductor.engine.context import Deps
from services.conductor.reconcilers.auto_confirm import auto_confirm
from services.conductor.reconcilers.clean_leftovers import clean_leftovers
from services.conductor.reconcilers.offload_shelved import offload_shelved
from services.conductor.reconcilers.reclaim_deleted import ReclaimDeleted
from services.conductor.reconcilers.refresh_addresses import refresh_addresses

Task = Callable[[Deps], Awaitable[int]]
"""Returns how many actions it began, or rows it worked off."""

TASKS: Mapping[str, Callable[[], Task]] = {
    "auto_confirm": lambda: auto_confirm,
    "clean_leftovers": lambda: clean_leftovers,
    "offload_shelved": lambda: offload_shelved,
    "reclaim_deleted": ReclaimDeleted,
    "refresh_addresses": lambda: refresh_addresses,
}
"""Each makes the task of one conductor."""
