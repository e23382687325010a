"""From a token to a connection with the guest it was made for.

Owns: looking tokens up, asking the guest's host for a ticket, the connection to the host.
May not: keep or log a token or a ticket.
Crash story: nothing is kept; a ticket that was not used ends within seconds.
"""

from __future__ import annotations

import asyncio

import asyncpg

from common.bus.host_questions import Question, ask
from common.bus.port import Bus
from common.db.pool import Pool
from common.db.stores import console_tokens
from common.db.stores.console_tokens import Grant
from common.domain.consoles import CONSOLE_TYPES
from common.errors import Forbidden, Unavailable
from common.runtime.ports import Clock

LONGEST_TOKEN = 128
CONNECT_TIMEOUT_S = 10.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Guests:
    """`find`, then `connect`."""

    def __init__(self, pool: Pool, bus: Bus, clock: Clock, call_timeout_s: float) -> None:
        self._pool = pool
        self._bus = bus
        self._clock = clock
        self._call_timeout_s = call_timeout_s

    async def find(self, token: str) -> Grant:
        """What `token` opens. Raises `Forbidden`, `Unavailable` without a database."""
        grant = None
        if 0 < len(token) <= LONGEST_TOKEN:
            try:
                grant = await console_tokens.find(self._pool, token)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                raise Unavailable(f"the database does not answer: {error!r}") from error
        if grant is None or not CONSOLE_TYPES[grant.console_type].carried:
            raise Forbidden("no such token")
        return grant

    async def connect(self, grant: Grant) -> Stream:
        """Raises `Unavailable` when the host cannot be reached, and what it says otherwise."""
        question = Question(
            asker="consoles",
            host=grant.host,
            server_uuid=str(grant.server_uuid),
            generation=grant.generation,
            verb="connect_console",
            params={"protocol": CONSOLE_TYPES[grant.console_type].protocol},
        )
        place = await ask(self._bus, self._clock, question, timeout_s=self._call_timeout_s)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await _enter(place["host"], place["port"], place["internal_access_path"])
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            raise Unavailable(
                f"host {grant.host} does not let us in at {place['host']}:{place['port']}: "
                f"{str(error) or type(error).__name__}"
            ) from error


async def _enter(host: str, port: int, ticket: str) -> Stream:
    """Through the host's gate."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"CONNECT {ticket} HTTP/1.1\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        status = answer.split(b"\r\n", 1)[0].decode("latin-1")
        if " 200 " not in f"{status} ":
            raise ConnectionRefusedError(status)
    except BaseException:
        writer.close()
        raise
    return reader, writer
