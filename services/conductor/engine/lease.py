"""How long a run may act on the world.

Owns: the moment until which nobody else can have taken the workflow, on this process's clock.
May not: renew anything; the workers do, and say so here.
Crash story: a process that stood still finds its lease run out when it goes on. The epoch keeps it
from writing; this keeps it from telling hosts and neighbours what was right before it stood still.
"""

from __future__ import annotations

from common.runtime.ports import Clock


class LeaseLost(Exception):
    """Another conductor has this workflow now, or may have; stop without writing anything."""


class Lease:
    """`asked_at`: monotonic time before the row was read, leased or renewed; it is good for `for_s`
    seconds from then at least, because the database began to count later."""

    def __init__(self, clock: Clock, asked_at: float, for_s: float) -> None:
        self._clock = clock
        self._until = asked_at + for_s

    def extend(self, asked_at: float, for_s: float) -> None:
        self._until = max(self._until, asked_at + for_s)

    def check(self) -> None:
        """Raise `LeaseLost` when it may have run out. Called before each thing that is done."""
        if self._clock.monotonic() >= self._until:
            raise LeaseLost("it has not been renewed in time")
