"""The way to the consoles of a compute process's guests: listeners, tickets, bytes both ways.

Owns: who may reach a guest's console. May not: let anybody in without a ticket, or know what a
console says.
Crash story: tickets and connections die with the process; a ticket is asked for anew for each
connection.

A visitor says `CONNECT <ticket> HTTP/1.1` and an empty line, and is answered `HTTP/1.1 200`; what
follows is the guest's. The ticket has been told over the bus to whoever asked for it, opens one
connection, and lasts for seconds. Clients that cannot do that (native SPICE) get a port of their
own, which listens for as long as they may come; there the guest itself asks for a secret.
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
from services.compute.drivers.base import Stream
from services.compute.freezing import HostClock

log = structlog.get_logger(__name__)

GREETING_TIMEOUT_S = 5.0
LONGEST_GREETING = 8192
CHUNK_BYTES = 65_536
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound

Serve = Callable[[Stream], Awaitable[None]]


@dataclass(frozen=True)
class Visit:
    """What a ticket is good for: `open` connects to a guest's console and raises what the driver
    does. `clock` is the host's: one that stands still carries nothing."""

    open: Callable[[], Awaitable[Stream]]
    clock: HostClock


OpenWith = Callable[[frozenset[str]], Awaitable[Stream]]
"""Connects to a guest's console, at which one of these secrets must be shown."""


@dataclass(eq=False)
class _Door:
    """A port of one guest's own; `secrets` and the monotonic times when they end."""

    server: asyncio.Server
    secrets: dict[str, float] = field(default_factory=dict)


class Gate:
    """`start()`, then tickets and doors, until `stop()`."""

    def __init__(self, settings: HostConsolesSettings, clock: Clock, ids: Ids) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._tasks = Tasks(clock)
        self._server: asyncio.Server | None = None
        self._tickets: dict[str, tuple[float, Visit]] = {}
        self._doors: dict[tuple[str, int], _Door] = {}
        self._visitors = 0
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
        for server in (self._server, *(door.server for door in self._doors.values())):
            if server is not None:
                server.close()
        self._doors.clear()
        await self._tasks.stop()

    def ticket(self, visit: Visit) -> str:
        """A new one."""
        now = self._clock.monotonic()
        self._tickets = {key: kept for key, kept in self._tickets.items() if kept[0] > now}
        ticket = str(self._ids.uuid())
        self._tickets[ticket] = (now + self._settings.ticket_s, visit)
        return ticket

    async def door(
        self,
        guest: tuple[str, int],
        open_with: OpenWith,
        clock: HostClock,
        *,
        secret: str,
        ttl_s: float,
    ) -> int:
        """A port that leads to that guest, where `secret` is good for `ttl_s`."""
        if guest not in self._doors:

            async def serve(visitor: Stream) -> None:
                valid = self._valid(guest)
                if valid:
                    await carry(visitor, await open_with(valid), clock.passage)

            door = _Door(await self._listen(0, serve))
            self._doors[guest] = door
            self._tasks.spawn(f"door of {guest[0]}", self._close_when_over(guest))
        door = self._doors[guest]
        door.secrets[secret] = self._clock.monotonic() + ttl_s
        return _port(door.server)

    def _valid(self, guest: tuple[str, int]) -> frozenset[str]:
        door, now = self._doors.get(guest), self._clock.monotonic()
        if door is None:
            return frozenset()
        return frozenset(secret for secret, until in door.secrets.items() if until > now)

    async def _close_when_over(self, guest: tuple[str, int]) -> None:
        while self._valid(guest):
            until = max(self._doors[guest].secrets.values())
            await self._clock.sleep(max(0.0, until - self._clock.monotonic()))
        self._doors.pop(guest).server.close()

    async def _listen(self, port: int, serve: Serve) -> asyncio.Server:
        def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self._visitors >= self._settings.max_connections:
                log.warning("console_visitor_refused", reason="too many connections")
                writer.close()
                return
            self._visitors += 1
            task = self._tasks.spawn("console visitor", self._visited((reader, writer), serve))
            task.add_done_callback(lambda _: self._left())

        host = self._settings.listen_host
        return await asyncio.start_server(receive, host, port, limit=LONGEST_GREETING)

    def _left(self) -> None:
        self._visitors -= 1

    async def _visited(self, visitor: Stream, serve: Serve) -> None:
        try:
            await serve(visitor)
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError, MusterError) as error:
            log.info("console_visitor_left", reason=str(error) or type(error).__name__)
        finally:
            visitor[1].close()

    async def _admit(self, visitor: Stream) -> None:
        """Let a visitor with a ticket through."""
        reader, writer = visitor
        async with asyncio.timeout(GREETING_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        visit = self._redeem(head)
        if visit is None:
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        await visit.clock.passage()
        try:
            guest = await visit.open()
        except MusterError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            raise
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await carry(visitor, guest, visit.clock.passage)

    def _redeem(self, head: bytes) -> Visit | None:
        method, ticket, *_ = [*head.decode("latin-1").split(" "), "", ""]
        until, visit = self._tickets.pop(ticket, (0.0, None))
        return visit if method == "CONNECT" and until > self._clock.monotonic() else None


async def carry(one: Stream, other: Stream, passage: Callable[[], Awaitable[None]]) -> None:
    """Bytes both ways until either side ends; `other` is closed then. `passage` may make them
    wait."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await passage()
            writer.write(data)
            await writer.drain()

    ways = [
        asyncio.ensure_future(copy(one[0], other[1])),
        asyncio.ensure_future(copy(other[0], one[1])),
    ]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in done:
            way.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        other[1].close()


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
