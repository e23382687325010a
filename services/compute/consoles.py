"""What a host answers when somebody wants to see a guest's console.

Owns: the verbs `offers_console` and `connect_console`.
May not: carry a byte (`console_listener.py`) or admit somebody whom no service has asked for.
Crash story: nothing is kept; see `console_listener.py`.
"""

from __future__ import annotations

from typing import Any, cast

from common.domain.consoles import ConsoleProtocol
from common.errors import StaleGeneration, Unsupported
from services.compute.console_listener import ConsoleListener, Secrets, Target
from services.compute.drivers import optional
from services.compute.drivers.base import Driver
from services.compute.drivers.optional import Stream
from services.compute.freezing import HostClock


class Consoles:
    """An actor of the host's verbs."""

    def __init__(self, driver: Driver, listener: ConsoleListener, clock: HostClock) -> None:
        self._driver = driver
        self._listener = listener
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
        """Where and with which ticket one connection to that console is let in. With `secret`
        (SHA-256, hexadecimal): where clients of the protocol may come for `ttl_s`, showing it."""
        await self.offers_console(uuid, generation, protocol)

        async def open_it(secrets: Secrets | None) -> Stream:
            driver = cast(optional.Consoles, self._driver)
            return await driver.open_console(uuid, generation, protocol, secrets)

        target, listener = Target(open_it, self._clock), self._listener
        place = {"host": listener.host, "port": listener.port, "tls_port": None}
        if secret is None:
            return {**place, "internal_access_path": listener.ticket(target)}
        guest = (uuid, generation)
        port = await listener.direct_port(guest, target, secret=secret, ttl_s=ttl_s)
        return {**place, "port": port, "internal_access_path": None}
