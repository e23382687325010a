"""How fast one project may ask.

Owns: a token bucket per project. May not: be shared between processes; each allows the whole rate.
Crash story: buckets start full again.
"""

from __future__ import annotations

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
        self._buckets: dict[str, tuple[float, float]] = {}
        """Project to (tokens left, when that was)."""

    def take(self, project_id: str) -> None:
        """Raises a 429 `HttpError` when the project has asked too fast."""
        if not self._per_s:
            return
        now = self._clock.monotonic()
        left, at = self._buckets.get(project_id, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        if left < 1.0:
            self._buckets[project_id] = (left, now)
            wait_s = ceil((1.0 - left) / self._per_s)
            raise HttpError(
                429,
                f"Too many requests: {self._per_s:g} per second are allowed.",
                retry_after_s=wait_s,
            )
        if len(self._buckets) >= MAX_BUCKETS:
            self._buckets.clear()
        self._buckets[project_id] = (left - 1.0, now)
