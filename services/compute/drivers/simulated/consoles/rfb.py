"""A guest's terminal as a picture, over RFB 3.8 (RFC 6143): what VNC clients speak.

Owns: the handshake, pixels from letters, keys from key symbols.
May not: check who is there (security type None): the stream was handed out to one who may.
Crash story: none; the stream ends, and a client that comes back asks for the whole picture.

Only the encoding Raw, which every client has; only rows whose text has changed are sent.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import astuple, dataclass

from services.compute.drivers.optional import Stream
from services.compute.drivers.simulated.consoles import font
from services.compute.drivers.simulated.consoles.terminal import COLUMNS, ROWS, Terminal

VERSION = b"RFB 003.008\n"
NONE = 1
"""The only security type offered."""
OK, FAILED = struct.pack(">I", 0), struct.pack(">I", 1)

CELL_WIDTH, CELL_HEIGHT = font.WIDTH + 2, font.HEIGHT + 3
WIDTH, HEIGHT = COLUMNS * CELL_WIDTH, ROWS * CELL_HEIGHT
LONGEST_NAME = 96
"""Of the desktop, in bytes."""
LONGEST_CUT_TEXT = 1 << 20

_BLACK, _GREY = (0, 0, 0), (208, 208, 208)

SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST, KEY, POINTER, CUT_TEXT = 0, 2, 3, 4, 5, 6
RAW = 0

_CONTROL_KEYS = {0xFFE3, 0xFFE4}
_KEYS = {0xFF08: "\x7f", 0xFF09: "\t", 0xFF0A: "\n", 0xFF0D: "\r", 0xFF8D: "\r", 0xFF80: " "}
_KEYPAD = {0xFFAA + n: key for n, key in enumerate("*+,-./0123456789")}


class ProtocolError(Exception):
    """The client says what this server does not understand."""


@dataclass(frozen=True)
class PixelFormat:
    """How the client wants a pixel."""

    bits: int = 32
    depth: int = 24
    big_endian: int = 0
    true_colour: int = 1
    red_max: int = 255
    green_max: int = 255
    blue_max: int = 255
    red_shift: int = 16
    green_shift: int = 8
    blue_shift: int = 0

    LAYOUT = ">BBBBHHHBBB3x"

    @classmethod
    def read(cls, data: bytes) -> PixelFormat:
        wanted = cls(*struct.unpack(cls.LAYOUT, data))
        if not wanted.true_colour or wanted.bits not in {8, 16, 32}:
            raise ProtocolError(f"a pixel format of {wanted.bits} bits, or with a colour map")
        return wanted

    def packed(self) -> bytes:
        return struct.pack(self.LAYOUT, *astuple(self))

    def pixel(self, colour: tuple[int, int, int]) -> bytes:
        red, green, blue = colour
        value = red * self.red_max // 255 << self.red_shift
        value |= green * self.green_max // 255 << self.green_shift
        value |= blue * self.blue_max // 255 << self.blue_shift
        mask = (1 << self.bits) - 1
        return (value & mask).to_bytes(self.bits // 8, "big" if self.big_endian else "little")


class Painter:
    """Rows of text as pixels of one format."""

    def __init__(self, wanted: PixelFormat) -> None:
        ink, paper = wanted.pixel(_GREY), wanted.pixel(_BLACK)
        self._blank = paper * WIDTH
        self._letters = {
            letter: [
                paper
                + b"".join(ink if row >> bit & 1 else paper for bit in reversed(range(font.WIDTH)))
                + paper
                for row in rows
            ]
            for letter, rows in font.GLYPHS.items()
        }

    def row(self, text: str) -> bytes:
        """`CELL_HEIGHT` lines of `WIDTH` pixels. A letter without a shape is a question mark."""
        unknown = self._letters["?"]
        letters = [self._letters.get(letter, unknown) for letter in text.ljust(COLUMNS)]
        lines = (b"".join(letter[y] for letter in letters) for y in range(font.HEIGHT))
        return b"".join((self._blank, *lines, self._blank, self._blank))


class Session:
    """One client."""

    def __init__(self, stream: Stream, terminal: Terminal) -> None:
        self._reader, self._writer = stream
        self._terminal = terminal
        self._painter = Painter(PixelFormat())
        self._shown: list[str] | None = None
        """The rows that the client has; None: it wants all of them."""
        self._asked = False
        self._news = asyncio.Event()
        self._control = False

    async def serve(self, name: str) -> None:
        """Until the other side ends, which raises, as `ProtocolError` does."""
        await self._greet(name)
        with self._terminal.watched(self._on_text):
            async with asyncio.TaskGroup() as both:
                both.create_task(self._paint(), name=f"paint {name}")
                while True:
                    await self._hear()

    async def _greet(self, name: str) -> None:
        self._writer.write(VERSION)
        if await self._reader.readexactly(len(VERSION)) < VERSION:
            await self._refuse(b"\0", "RFB 3.8 is spoken here")
        self._writer.write(bytes([1, NONE]))
        if await self._reader.readexactly(1) != bytes([NONE]):
            await self._refuse(FAILED, "only security type None is offered here")
        self._writer.write(OK)
        await self._reader.readexactly(1)  # shared or not: every client may always look on
        title = name.encode()[:LONGEST_NAME]
        size = struct.pack(">HH", WIDTH, HEIGHT)
        length = struct.pack(">I", len(title))
        self._writer.write(size + PixelFormat().packed() + length + title)
        await self._writer.drain()

    async def _refuse(self, answer: bytes, reason: str) -> None:
        self._writer.write(answer + struct.pack(">I", len(reason)) + reason.encode())
        await self._writer.drain()
        raise ProtocolError(reason)

    async def _hear(self) -> None:
        """One message of the client."""
        kind = (await self._reader.readexactly(1))[0]
        if kind == SET_PIXEL_FORMAT:
            wanted = PixelFormat.read((await self._reader.readexactly(19))[3:])
            self._painter = Painter(wanted)
        elif kind == SET_ENCODINGS:
            (count,) = struct.unpack(">xH", await self._reader.readexactly(3))
            await self._reader.readexactly(4 * count)
        elif kind == UPDATE_REQUEST:
            (changes_only,) = struct.unpack(">B8x", await self._reader.readexactly(9))
            if not changes_only:
                self._shown = None
            self._asked = True
            self._news.set()
        elif kind == KEY:
            down, symbol = struct.unpack(">BxxI", await self._reader.readexactly(7))
            self._on_key(symbol, pressed=bool(down))
        elif kind == POINTER:
            await self._reader.readexactly(5)
        elif kind == CUT_TEXT:
            (length,) = struct.unpack(">xxxI", await self._reader.readexactly(7))
            if length > LONGEST_CUT_TEXT:
                raise ProtocolError(f"a clipboard of {length} bytes")
            await self._reader.readexactly(length)
        else:
            raise ProtocolError(f"message type {kind}")

    def _on_key(self, symbol: int, *, pressed: bool) -> None:
        if symbol in _CONTROL_KEYS:
            self._control = pressed
        elif pressed:
            key = _KEYS.get(symbol) or _KEYPAD.get(symbol)
            if key is None and 0x20 <= symbol <= 0x7E:
                key = chr(symbol)
                if self._control:
                    key = chr(symbol & 0x1F)
            self._terminal.type(key or "")

    def _on_text(self, _: str) -> None:
        self._news.set()

    async def _paint(self) -> None:
        """Send what has changed, when it has been asked for and there is something."""
        while True:
            await self._news.wait()
            self._news.clear()
            if not self._asked:
                continue
            rows = self._rows()
            changed = [n for n in range(ROWS) if self._shown is None or rows[n] != self._shown[n]]
            if changed:
                self._asked, self._shown = False, rows
                self._send([(n, rows[n]) for n in changed])
                await self._writer.drain()

    def _rows(self) -> list[str]:
        rows = self._terminal.screen()
        rows[-1] = (rows[-1] + font.CURSOR)[:COLUMNS]
        return rows + [""] * (ROWS - len(rows))

    def _send(self, rows: list[tuple[int, str]]) -> None:
        self._writer.write(struct.pack(">BxH", 0, len(rows)))
        for number, text in rows:
            at = number * CELL_HEIGHT
            self._writer.write(struct.pack(">HHHHi", 0, at, WIDTH, CELL_HEIGHT, RAW))
            self._writer.write(self._painter.row(text))
