"""The beginning of SPICE: the link with its ticket, and a main channel that says there is no more.

Owns: the link stage of the SPICE protocol, version 2.2, with RSA-sealed tickets.
May not: pretend to be a display. What is not carried: every channel but the main one (display,
inputs, cursor, sound), agents, migration, SASL. A simulated guest has a terminal, not a graphics
card; the main channel tells the user so.
Crash story: none; the stream ends.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import struct
from typing import TYPE_CHECKING

from services.compute.drivers.optional import Stream

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

MAGIC, MAJOR, MINOR = b"REDQ", 2, 2
OK, BAD_MAGIC, BAD_DATA, BAD_VERSION, DENIED, NO_CHANNEL = 0, 2, 3, 4, 7, 9
MAIN_CHANNEL = 1
AUTH_SELECTION, AUTH_SPICE, MINI_HEADER = 1 << 0, 1 << 1, 1 << 3
CAPABILITIES = AUTH_SELECTION | AUTH_SPICE | MINI_HEADER
SPICE_TICKET = 1
"""The one way to authenticate that is offered."""
KEY_BITS, KEY_BYTES, TICKET_BYTES = 1024, 162, 128
"""Given by the protocol."""
LONGEST_LINK, LONGEST_MESSAGE = 4096, 65_536

NOTIFY, INIT, CHANNELS = 7, 103, 104
ATTACH_CHANNELS, DISCONNECTING = 104, 6
MOUSE_BY_CLIENT, WARNING, LOUD = 2, 1, 2

EXPLANATION = (
    b"A simulated guest has no SPICE display. Its terminal can be seen over VNC, or over its"
    b" serial port.\0"
)


class ProtocolError(Exception):
    """The client says what this server does not understand, or must not do."""


@functools.cache
def _key() -> RSAPrivateKey:
    # Its only use is to keep a ticket from whoever listens; one for the life of the process.
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65_537, key_size=KEY_BITS)


def _public_key() -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _opened(ticket: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    sha1 = hashes.SHA1()  # noqa: S303 - the protocol's choice
    oaep = padding.OAEP(mgf=padding.MGF1(algorithm=sha1), algorithm=sha1, label=None)
    try:
        return _key().decrypt(ticket, oaep).rstrip(b"\0")
    except ValueError:
        raise ProtocolError("a ticket that is not sealed with our key") from None


def fits(secret: bytes, digests: frozenset[str] | None) -> bool:
    """Whether it is one of those (SHA-256, hexadecimal); None: anything is."""
    if digests is None:
        return True
    digest = hashlib.sha256(secret).hexdigest()
    return any(hmac.compare_digest(digest, known) for known in digests)


async def serve(stream: Stream, secrets: frozenset[str] | None) -> None:
    """Until the other side ends, which raises, as `ProtocolError` does. `secrets`: the client must
    show one as its ticket; None: whoever has come this far may."""
    reader, writer = stream
    capabilities = await _link(stream)
    if capabilities & AUTH_SELECTION:
        (mechanism,) = struct.unpack("<I", await reader.readexactly(4))
        if mechanism != SPICE_TICKET:
            raise ProtocolError(f"authentication mechanism {mechanism}")
    ticket = await reader.readexactly(TICKET_BYTES)
    if not fits(_opened(ticket), secrets):
        writer.write(struct.pack("<I", DENIED))
        await writer.drain()
        raise ProtocolError("a wrong ticket")
    writer.write(struct.pack("<I", OK))
    await _Main(stream, mini=bool(capabilities & MINI_HEADER)).serve()


async def _link(stream: Stream) -> int:
    """Agree on version, channel and capabilities; the common capabilities of the client."""
    reader, writer = stream
    magic, major, _, size = struct.unpack("<4sIII", await reader.readexactly(16))
    if magic != MAGIC or size > LONGEST_LINK:
        raise ProtocolError("no SPICE client")
    body = await reader.readexactly(size)
    error, capabilities = OK, 0
    if major != MAJOR:
        error = BAD_VERSION
    elif size < 18:
        error = BAD_DATA
    else:
        _, channel, _, common, _, offset = struct.unpack_from("<IBBIII", body)
        if channel != MAIN_CHANNEL:
            error = NO_CHANNEL
        elif common and offset + 4 <= size:
            (capabilities,) = struct.unpack_from("<I", body, offset)
    key = await asyncio.to_thread(_public_key) if error == OK else b""
    answer = struct.pack("<I", error) + key.ljust(KEY_BYTES, b"\0")
    answer += struct.pack("<III", 1, 0, len(answer) + 12) + struct.pack("<I", CAPABILITIES)
    writer.write(struct.pack("<4sIII", MAGIC, MAJOR, MINOR, len(answer)) + answer)
    await writer.drain()
    if error != OK:
        raise ProtocolError(f"link refused with {error}")
    return capabilities & CAPABILITIES


class _Main:
    """The main channel of a session that has no other."""

    def __init__(self, stream: Stream, *, mini: bool) -> None:
        self._reader, self._writer = stream
        self._mini = mini
        self._serial = 0

    async def serve(self) -> None:
        self._say(INIT, struct.pack("<8I", 1, 0, MOUSE_BY_CLIENT, MOUSE_BY_CLIENT, 0, 0, 0, 0))
        length = len(EXPLANATION)
        notice = struct.pack("<QIIII", 0, WARNING, LOUD, 0, length - 1) + EXPLANATION
        self._say(NOTIFY, notice)
        while True:
            await self._writer.drain()
            kind = await self._hear()
            if kind == ATTACH_CHANNELS:
                self._say(CHANNELS, struct.pack("<I", 0))
            elif kind == DISCONNECTING:
                return

    def _say(self, kind: int, body: bytes) -> None:
        self._serial += 1
        head = struct.pack("<HI", kind, len(body))
        if not self._mini:
            head = struct.pack("<Q", self._serial) + head + struct.pack("<I", 0)
        self._writer.write(head + body)

    async def _hear(self) -> int:
        """The type of the next message; what it says does not matter here."""
        if not self._mini:
            await self._reader.readexactly(8)
        kind, size = struct.unpack("<HI", await self._reader.readexactly(6))
        rest = size if self._mini else size + 4
        if rest > LONGEST_MESSAGE:
            raise ProtocolError(f"a message of {size} bytes")
        await self._reader.readexactly(rest)
        return int(kind)
