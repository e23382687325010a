"""A small VNC client: connects, asks for the picture, types, and reads the letters off the screen.

It knows RFB 3.8 and the encoding Raw, from RFC 6143; of the server it knows only the font.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from services.compute.drivers.simulated.consoles import font
from services.compute.drivers.simulated.consoles.rfb import CELL_HEIGHT, CELL_WIDTH

RETURN = 0xFF0D
BYTES_PER_PIXEL = 4
PATIENCE_S = 10.0

Chunks = AsyncIterator[bytes]
Send = Callable[[bytes], Awaitable[None]]


class RfbClient:
    """`chunks` is what arrives, in pieces of any size."""

    def __init__(self, chunks: Chunks, send: Send) -> None:
        self._chunks = chunks
        self._send = send
        self._unread = b""
        self.name = ""
        self.width = self.height = 0
        self._picture = bytearray()

    @classmethod
    def over_websocket(cls, socket: aiohttp.ClientWebSocketResponse) -> RfbClient:
        async def chunks() -> Chunks:
            async for message in socket:
                assert message.type is aiohttp.WSMsgType.BINARY
                yield message.data

        return cls(chunks(), socket.send_bytes)

    @classmethod
    def over_stream(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> RfbClient:
        async def chunks() -> Chunks:
            while data := await reader.read(65_536):
                yield data

        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        return cls(chunks(), send)

    async def _read(self, count: int) -> bytes:
        while len(self._unread) < count:
            try:
                self._unread += await anext(self._chunks)
            except StopAsyncIteration:
                raise EOFError("the server hung up") from None
        data, self._unread = self._unread[:count], self._unread[count:]
        return data

    async def connect(self) -> None:
        """The handshake, without authentication, as a viewer among others."""
        version = await self._read(12)
        assert version == b"RFB 003.008\n", version
        await self._send(version)
        (count,) = await self._read(1)
        assert 1 in await self._read(count), "no authentication is among the offers"
        await self._send(b"\1")
        assert await self._read(4) == bytes(4)
        await self._send(b"\1")
        self.width, self.height = struct.unpack(">HH", await self._read(4))
        bits, _, big_endian, true_colour = (await self._read(16))[:4]
        assert (bits, big_endian, true_colour) == (32, 0, 1)
        (length,) = struct.unpack(">I", await self._read(4))
        self.name = (await self._read(length)).decode()
        self._picture = bytearray(self.width * self.height * BYTES_PER_PIXEL)
        await self._send(struct.pack(">BxHi", 2, 1, 0))

    async def update(self, *, changes_only: bool = True) -> None:
        """Ask for the picture and wait for it; with `changes_only` until something changes."""
        await self._send(struct.pack(">BBHHHH", 3, changes_only, 0, 0, self.width, self.height))
        kind, rectangles = struct.unpack(">BxH", await self._read(4))
        assert kind == 0
        for _ in range(rectangles):
            x, y, width, height, encoding = struct.unpack(">HHHHi", await self._read(12))
            assert encoding == 0
            pixels = await self._read(width * height * BYTES_PER_PIXEL)
            line = width * BYTES_PER_PIXEL
            for row in range(height):
                at = ((y + row) * self.width + x) * BYTES_PER_PIXEL
                self._picture[at : at + line] = pixels[row * line : (row + 1) * line]

    async def press(self, symbol: int) -> None:
        for down in (1, 0):
            await self._send(struct.pack(">BBxxI", 4, down, symbol))

    async def type(self, text: str) -> None:
        """Return when the keys have arrived: messages are taken in order."""
        for letter in text:
            await self.press(RETURN if letter == "\n" else ord(letter))
        await self.update(changes_only=False)

    async def until(self, text: str) -> None:
        """Wait until the screen shows it."""
        if not any(self._picture):
            await self.update(changes_only=False)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while text not in self.text():
                    await self.update()
        except TimeoutError:
            raise AssertionError(f"{text!r} is not shown:\n{self.text()}") from None

    def text(self) -> str:
        """What the screen shows, each letter known by its dots; the cursor is a `_`."""
        known = {dots: letter for letter, dots in font.GLYPHS.items()}
        rows = []
        for top in range(0, self.height, CELL_HEIGHT):
            cells = [self._dots(left, top) for left in range(0, self.width, CELL_WIDTH)]
            letters = "".join(known.get(dots, "\N{REPLACEMENT CHARACTER}") for dots in cells)
            rows.append(letters.replace(font.CURSOR, "_").rstrip())
        return "\n".join(rows).rstrip("\n")

    def _dots(self, left: int, top: int) -> tuple[int, ...]:
        rows = []
        for y in range(top + 1, top + 1 + font.HEIGHT):
            at = (y * self.width + left + 1) * BYTES_PER_PIXEL
            blues = self._picture[at : at + font.WIDTH * BYTES_PER_PIXEL : BYTES_PER_PIXEL]
            rows.append(sum(1 << n for n, blue in enumerate(reversed(blues)) if blue))
        return tuple(rows)
