"""What a host answers when somebody wants to see a guest's console.

Owns: the verbs `offers_console` and `connect_console`.
May not: carry a byte (`gate.py`) or let in somebody whom no service has asked for.
Crash story: nothing is kept; see `gate.py`.
"""

from __future__ import annotations

from typing import Any, cast

from common.domain.consoles import ConsoleProtocol
from common.errors import StaleGeneration, Unsupported
from services.compute.drivers import base
from services.compute.drivers.base import Driver, Stream
from services.compute.freezing import HostClock
from services.compute.gate import Gate, Visit


class Consoles:
    """An actor of the host's verbs."""

    def __init__(self, driver: Driver, gate: Gate, clock: HostClock) -> None:
        self._driver = driver
        self._gate = gate
        self._clock = clock

    async def offers_console(self, uuid: str, generation: int, protocol: str) -> None:
        """Raises `Unsupported`, or `NotFound` and `StaleGeneration` for a guest that is not here
        in this generation."""
        if protocol not in self._driver.capabilities.consoles:
            raise Unsupported(f"the guests of this host have no {protocol} console")
        guest = await self._driver.guest_info(uuid)
        if guest.generation != generation:
            raise StaleGeneration(f"guest {uuid} is of generation {guest.generation} here")

    async def connect_console(
        self,
        uuid: str,
        generation: int,
        protocol: ConsoleProtocol,
        secret: str | None = None,
        ttl_s: float = 0.0,
    ) -> dict[str, Any]:
        """Where and with what one connection to that console is let in. With `secret` (SHA-256,
        hexadecimal): where clients of the protocol may come for `ttl_s`, showing the secret."""
        await self.offers_console(uuid, generation, protocol)
        driver = cast(base.Consoles, self._driver)
        if secret is not None:

            def open_with(secrets: frozenset[str]) -> Any:
                return driver.open_console(uuid, generation, protocol, secrets)

            port = await self._gate.door(
                (uuid, generation), open_with, self._clock, secret=secret, ttl_s=ttl_s
            )
            return self._place(port, None)

        async def open_it() -> Stream:
            return await driver.open_console(uuid, generation, protocol)

        return self._place(self._gate.port, self._gate.ticket(Visit(open_it, self._clock)))

    def _place(self, port: int, ticket: str | None) -> dict[str, Any]:
        return {
            "host": self._gate.host,
            "port": port,
            "tls_port": None,
            "internal_access_path": ticket,
        }
