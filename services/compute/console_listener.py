"""Where the consoles of a compute process's guests are reached: sockets, tickets, bytes both ways.

Owns: who may reach a guest's console. May not: let anybody in without a ticket, or know what a
console says.
Crash story: tickets and connections die with the process; a ticket is asked for anew for each
connection.

A client says `CONNECT <ticket> HTTP/1.1` and an empty line, and is answered `HTTP/1.1 200`; what
follows is the guest's. The ticket has been told over the bus to whoever asked for it, opens one
connection, and lasts for seconds. Clients that cannot do that (native SPICE) get a port of their
own, which is open for as long as they may come; there the guest itself asks for a secret.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from common.config.consoles import HostConsolesSettings
from common.errors import MusterError, Unavailable
from common.runtime.ports import Clock, Ids
from common.runtime.tasks import Tasks
from services.compute.drivers.optional import Stream

log = structlog.get_logger(__name__)

GREETING_TIMEOUT_S = 5.0
LONGEST_GREETING = 8192
CHUNK_BYTES = 65_536
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound

Serve = Callable[[Stream], Awaitable[None]]
Secrets = frozenset[str]
Open = Callable[[Secrets | None], Awaitable[Stream]]
"""Connects to a guest's console, where one of the secrets must be shown; None: nothing. Raises what
the driver does."""


@dataclass(frozen=True)
class Target:
    """A guest's console. `clock` is its host's: one that stands still carries nothing."""

    open: Open
    clock: Clock


@dataclass(eq=False)
class _DirectPort:
    """One guest's own; `secrets` and the monotonic times when they end."""

    server: asyncio.Server
    secrets: dict[str, float] = field(default_factory=dict)


class ConsoleListener:
    """`start()`, then tickets and direct ports, until `stop()`."""

    def __init__(self, settings: HostConsolesSettings, clock: Clock, ids: Ids) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._tasks = Tasks(clock)
        self._server: asyncio.Server | None = None
        self._tickets: dict[str, tuple[float, Target]] = {}
        self._direct: dict[tuple[str, int], _DirectPort] = {}
        self._clients = 0
        self.host = ""
        self.port = 0

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        settings = self._settings
        self._server = await self._listen(settings.listen_port, self._admit)
        self.port = _port(self._server)
        self.host = settings.advertised_host or settings.listen_host
        if self.host in WILDCARDS:
            self.host = await _own_address()

    async def stop(self) -> None:
        for server in (self._server, *(direct.server for direct in self._direct.values())):
            if server is not None:
                server.close()
        self._direct.clear()
        await self._tasks.stop()

    def ticket(self, target: Target) -> str:
        """A new one, for one connection."""
        now = self._clock.monotonic()
        self._tickets = {key: kept for key, kept in self._tickets.items() if kept[0] > now}
        ticket = str(self._ids.uuid())
        self._tickets[ticket] = (now + self._settings.ticket_s, target)
        return ticket

    async def direct_port(
        self, guest: tuple[str, int], target: Target, *, secret: str, ttl_s: float
    ) -> int:
        """A port that leads to that guest, where `secret` is good for `ttl_s`."""
        if guest not in self._direct:

            async def serve(client: Stream) -> None:
                if valid := self._valid(guest):
                    await _carry(client, await target.open(valid), target.clock)

            server = await self._listen(0, serve)
            if guest in self._direct:  # another was quicker
                server.close()
            else:
                self._direct[guest] = _DirectPort(server)
                self._tasks.spawn(f"direct port of {guest[0]}", self._close_when_over(guest))
        direct = self._direct[guest]
        direct.secrets[secret] = self._clock.monotonic() + ttl_s
        return _port(direct.server)

    def _valid(self, guest: tuple[str, int]) -> Secrets:
        direct, now = self._direct.get(guest), self._clock.monotonic()
        if direct is None:
            return frozenset()
        return frozenset(secret for secret, until in direct.secrets.items() if until > now)

    async def _close_when_over(self, guest: tuple[str, int]) -> None:
        while self._valid(guest):
            until = max(self._direct[guest].secrets.values())
            await self._clock.sleep(max(0.0, until - self._clock.monotonic()))
        self._direct.pop(guest).server.close()

    async def _listen(self, port: int, serve: Serve) -> asyncio.Server:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self._clients >= self._settings.max_connections:
                log.warning("console_client_refused", reason="too many connections")
                writer.close()
                return
            self._clients += 1
            task = self._tasks.spawn("console client", self._serve((reader, writer), serve))
            task.add_done_callback(lambda _: self._left())

        host = self._settings.listen_host
        return await asyncio.start_server(accept, host, port, limit=LONGEST_GREETING)

    def _left(self) -> None:
        self._clients -= 1

    async def _serve(self, client: Stream, serve: Serve) -> None:
        try:
            await serve(client)
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError, MusterError) as error:
            log.info("console_client_left", reason=str(error) or type(error).__name__)
        finally:
            client[1].close()

    async def _admit(self, client: Stream) -> None:
        """Let a client with a ticket through."""
        reader, writer = client
        async with asyncio.timeout(GREETING_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        target = self._redeem(head)
        if target is None:
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        await target.clock.sleep(0)
        try:
            guest = await target.open(None)
        except MusterError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            raise
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _carry(client, guest, target.clock)

    def _redeem(self, head: bytes) -> Target | None:
        method, ticket, *_ = [*head.decode("latin-1").split(" "), "", ""]
        until, target = self._tickets.pop(ticket, (0.0, None))
        return target if method == "CONNECT" and until > self._clock.monotonic() else None


async def _carry(client: Stream, guest: Stream, clock: Clock) -> None:
    """Bytes both ways until either side ends; the guest's side is closed then."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await clock.sleep(0)  # which does not end while the host stands still
            writer.write(data)
            await writer.drain()

    ways = [
        asyncio.ensure_future(copy(client[0], guest[1])),
        asyncio.ensure_future(copy(guest[0], client[1])),
    ]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in done:
            way.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        guest[1].close()


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


async def _own_address() -> str:
    """This machine's, as its name says."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(socket.gethostname(), None, family=socket.AF_INET)
    except OSError as error:
        raise Unavailable(
            f"this machine's name leads to no address ({error}); set "
            "compute.consoles.advertised_host"
        ) from error
    return str(found[0][4][0])
