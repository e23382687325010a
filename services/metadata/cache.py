"""What was found out a moment ago.

Owns: an answer per key for a while; the least recently used go first when there are too many.
May not: keep what is older than it says, or grow.
Crash story: memory only.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from common.runtime.ports import Clock

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    def __init__(self, clock: Clock, *, entries: int) -> None:
        self._clock = clock
        self._most = entries
        self._found: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: K) -> V | None:
        until, value = self._found.get(key, (0.0, None))
        if value is None:
            return None
        if until <= self._clock.monotonic():
            del self._found[key]
            return None
        self._found.move_to_end(key)
        return value

    def put(self, key: K, value: V, *, for_s: float) -> None:
        self._found[key] = (self._clock.monotonic() + for_s, value)
        self._found.move_to_end(key)
        if len(self._found) > self._most:
            self._found.popitem(last=False)
