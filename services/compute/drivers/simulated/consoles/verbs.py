"""What a simulated host is asked about consoles.

Owns: finding the guest. May not: change one. Crash story: see `Consoles`.
"""

from __future__ import annotations

from common.domain.consoles import ConsoleProtocol
from services.compute.drivers.optional import Stream
from services.compute.drivers.simulated.host import SimulatedHost


class ConsoleVerbs(SimulatedHost):
    """The protocol `Consoles` of drivers/optional.py."""

    async def open_console(
        self,
        uuid: str,
        generation: int,
        protocol: ConsoleProtocol,
        secrets: frozenset[str] | None = None,
    ) -> Stream:
        self._observe()
        return await self._consoles.open(self._find(uuid, generation), protocol, secrets)
