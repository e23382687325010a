"""The keys with which hosts want their secrets sealed, as far as they are remembered.

Owns: one key per host, of the life of its agent that told it last.
May not: be believed: a host that has begun another life refuses what was sealed for the earlier one
as unavailable, whoever sent it; then its key is forgotten and asked for again.
Crash story: memory only; asking costs one question per host.
"""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 20_000
"""Hosts; a key is 44 characters."""


class SealingKeys:
    def __init__(self) -> None:
        self._keys: OrderedDict[str, str] = OrderedDict()

    def get(self, host: str) -> str | None:
        return self._keys.get(host)

    def put(self, host: str, key: str) -> None:
        self._keys[host] = key
        self._keys.move_to_end(host)
        if len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)

    def forget(self, host: str) -> None:
        self._keys.pop(host, None)
