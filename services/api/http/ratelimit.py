"""How fast one project may ask, and how many bad tokens one client may show.

Owns: a token bucket per project or client. May not: be shared between processes; each allows the
whole rate. Crash story: buckets start full again.
"""

from __future__ import annotations

from collections import OrderedDict
from math import ceil

from common.runtime.ports import Clock
from services.api.http.faults import HttpError

MAX_BUCKETS = 10_000


class RateLimit:
    """`per_s` requests a second with bursts of `burst`; 0 means no limit."""

    def __init__(self, per_s: float, burst: int, clock: Clock) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Of whom to (tokens left, when that was); the least recently used goes first."""

    def take(self, whose: str) -> None:
        """Raises a 429 `HttpError` when they have asked too fast."""
        if not self._per_s:
            return
        left = self._left(whose)
        if left < 1.0:
            raise HttpError(
                429,
                f"Too many requests: {self._per_s:g} per second are allowed.",
                retry_after_s=ceil((1.0 - left) / self._per_s),
            )
        self._put(whose, left - 1.0)

    def give_back(self, whose: str) -> None:
        """What was taken did not count."""
        if self._per_s:
            self._put(whose, min(self._burst, self._left(whose) + 1.0))

    def _left(self, whose: str) -> float:
        now = self._clock.monotonic()
        left, at = self._buckets.get(whose, (self._burst, now))
        return min(self._burst, left + (now - at) * self._per_s)

    def _put(self, whose: str, left: float) -> None:
        self._buckets[whose] = (left, self._clock.monotonic())
        self._buckets.move_to_end(whose)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
