"""A token bucket per project."""

from __future__ import annotations

import pytest

from common.runtime.ports import Clock
from services.api.http.faults import HttpError
from services.api.http.ratelimit import RateLimit


class StoppedClock(Clock):
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def test_burst_then_rate() -> None:
    clock = StoppedClock()
    limit = RateLimit(2.0, 3, clock)
    for _ in range(3):
        limit.take("p1")
    with pytest.raises(HttpError) as caught:
        limit.take("p1")
    assert (caught.value.status, caught.value.retry_after_s) == (429, 1)
    limit.take("p2")
    clock.now_s += 0.5
    limit.take("p1")
    with pytest.raises(HttpError):
        limit.take("p1")
    clock.now_s += 3600
    for _ in range(3):
        limit.take("p1")
    with pytest.raises(HttpError):
        limit.take("p1")


def test_no_limit() -> None:
    limit = RateLimit(0, 1, StoppedClock())
    for _ in range(100):
        limit.take("p1")
