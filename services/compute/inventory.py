"""What a host has, in one word. Heartbeats carry it, so that the whole travels after a change only.

Owns: the hash of guests and resources. May not: count what merely passes, or every heartbeat would
ask for a report. Crash story: none; a new life computes it anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson

from common.messages.compute import Resources
from services.compute.drivers.base import GuestInfo

_PASSING = {"uptime", "booted_at", "running_guests"}
_BYTES = 12


class Inventory:
    """Of one host. What is hashed is compared first: the hash is computed after a change only."""

    def __init__(self) -> None:
        self._guests: list[tuple[str, int, int, bool]] = []
        self._resources: Resources | None = None
        self._digest = ""

    def digest(self, guests: Iterable[GuestInfo], resources: Resources) -> str:
        """The same for the same guests, in any order, on the same resources."""
        now = sorted((g.uuid, g.generation, int(g.power_state), g.held) for g in guests)
        if resources != self._resources or now != self._guests:
            said = [now, resources.model_dump(mode="json", exclude=_PASSING)]
            data = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
            self._digest = hashlib.blake2b(data, digest_size=_BYTES).hexdigest()
            self._guests, self._resources = now, resources
        return self._digest
