"""What is out of reach is said once when it goes and once when it is back.

Owns: what this process knows to be away at the moment. May not: decide what is done about it.
Crash story: a new process says it again.
"""

from __future__ import annotations

import structlog

from common.runtime.ports import Clock

log = structlog.get_logger(__name__)


class Outages:
    """By name of what is away."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: dict[str, float] = {}

    def away(self, what: str, reason: str) -> None:
        if what not in self._began:
            self._began[what] = self._clock.monotonic()
            log.warning("out_of_reach", what=what, reason=reason)

    def back(self, what: str) -> None:
        began = self._began.pop(what, None)
        if began is not None:
            away_s = round(self._clock.monotonic() - began, 1)
            log.info("in_reach_again", what=what, away_s=away_s)
