"""What few requests are about: what kind of hosts there are, and their addresses.

Owns: reading it when a filter needs it, and keeping it for a while: it changes when a host is
installed anew, and a no is said from a new copy only.
May not: be part of every snapshot; a JSON document for each of ten thousand hosts costs too much.
Crash story: gone with the process, read again by the next.
"""

from __future__ import annotations

import asyncio
import copy

import numpy as np
import orjson

from common.db.pool import Pool
from common.db.stores.placement import HostFacts, read_facts
from common.runtime.ports import Clock
from services.scheduler.hosts import Hosts, Kind


class Facts:
    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._reading = asyncio.Lock()
        self.read_at = float("-inf")
        """Monotonic time at which the latest reading began."""
        self._kinds: list[Kind] = []
        self._of_host: dict[str, tuple[int, str]] = {}
        """Position in `_kinds`, and address."""

    async def beside(self, hosts: Hosts, not_older_than: float) -> Hosts:
        """A view of the hosts with what is known of them since then."""
        async with self._reading:
            if self.read_at < not_older_than:
                began = self._clock.monotonic()
                self._take(await read_facts(self._pool))
                self.read_at = began
        known = [self._of_host.get(name, (-1, "")) for name in hosts.names]
        view = copy.copy(hosts)
        view.kinds = self._kinds
        view.kind_of = np.array([kind for kind, _ in known], dtype=np.intp)
        view.addresses = [address for _, address in known]
        return view

    def _take(self, found: list[HostFacts]) -> None:
        """Hosts that were bought together differ in their addresses only."""
        positions: dict[tuple[str, int, str, str], int] = {}
        self._of_host = {}
        for each in found:
            kind = (
                each.hypervisor_type,
                each.hypervisor_version,
                each.cpu_info,
                each.supported_instances,
            )
            self._of_host[each.host] = (positions.setdefault(kind, len(positions)), each.host_ip)
        self._kinds = [
            Kind(name, version, orjson.loads(cpu_info), orjson.loads(supported))
            for name, version, cpu_info, supported in positions
        ]
