"""Bytes between a WebSocket and a guest.

Owns: both directions, noticing that nothing goes any more, hanging up.
May not: look at what it carries. Crash story: both sides see the connection end.
"""

from __future__ import annotations

import asyncio

from aiohttp import WSCloseCode, WSMsgType, web

from common.runtime.ports import Clock
from services.consoles.guests import Stream
from services.consoles.metrics import BYTES

CHUNK_BYTES = 65_536
CLIENT, GUEST, IDLE, STOPPED, LOST = "client", "guest", "idle", "stopped", "lost"
WORDS = {
    CLIENT: (WSCloseCode.OK, b""),
    GUEST: (WSCloseCode.OK, b"the guest hung up"),
    IDLE: (WSCloseCode.GOING_AWAY, b"idle for too long"),
    STOPPED: (WSCloseCode.GOING_AWAY, b"the console proxy stops"),
    LOST: (WSCloseCode.INTERNAL_ERROR, b"the connection to the guest broke"),
}
"""What a client is told, by what ended its console."""


class Carrying:
    """One console for as long as it lasts."""

    def __init__(
        self, socket: web.WebSocketResponse, guest: Stream, clock: Clock, idle_timeout_s: float
    ) -> None:
        self._socket = socket
        self._reader, self._writer = guest
        self._clock = clock
        self._idle_timeout_s = idle_timeout_s
        self._moved_at = clock.monotonic()

    async def run(self, stopping: asyncio.Event) -> str:
        """Until one side ends, nothing has moved for too long, or the proxy stops; which it was."""
        ways = {
            asyncio.ensure_future(self._from_client()): CLIENT,
            asyncio.ensure_future(self._from_guest()): GUEST,
            asyncio.ensure_future(self._idle()): IDLE,
            asyncio.ensure_future(stopping.wait()): STOPPED,
        }
        ended_by = LOST
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            first = done.pop()
            if not isinstance(first.exception(), OSError):
                first.result()
                ended_by = ways[first]
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._writer.close()
            code, message = WORDS[ended_by]
            await self._socket.close(code=code, message=message)
        return ended_by

    async def _from_client(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                data: bytes = message.data
            elif message.type is WSMsgType.TEXT:
                data = message.data.encode()
            else:
                return
            self._moved("in", data)
            self._writer.write(data)
            await self._writer.drain()

    async def _from_guest(self) -> None:
        while data := await self._reader.read(CHUNK_BYTES):
            await self._socket.send_bytes(data)
            self._moved("out", data)

    async def _idle(self) -> None:
        while (left := self._moved_at + self._idle_timeout_s - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)

    def _moved(self, way: str, data: bytes) -> None:
        self._moved_at = self._clock.monotonic()
        BYTES.labels(way=way).inc(len(data))
