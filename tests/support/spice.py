"""As much of a SPICE client as reaches the main channel, from the protocol's description."""

from __future__ import annotations

import asyncio
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

MAIN, DISPLAY = 1, 2
OK, DENIED, NO_CHANNEL = 0, 7, 9
NOTIFY, INIT, CHANNELS = 7, 103, 104
ATTACH_CHANNELS = 104
_AUTH_SELECTION, _AUTH_SPICE, _MINI_HEADER = 1, 2, 8


class SpiceClient:
    """`link` and `authenticate`, then messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._key: rsa.RSAPublicKey

    async def link(self, channel: int = MAIN) -> int:
        """The server's answer."""
        capabilities = _AUTH_SELECTION | _AUTH_SPICE | _MINI_HEADER
        body = struct.pack("<IBBIIII", 0, channel, 0, 1, 0, 18, capabilities)
        self._writer.write(struct.pack("<4sIII", b"REDQ", 2, 2, len(body)) + body)
        magic, major, _, size = struct.unpack("<4sIII", await self._reader.readexactly(16))
        assert (magic, major) == (b"REDQ", 2)
        answer = await self._reader.readexactly(size)
        (error,) = struct.unpack_from("<I", answer)
        if error == OK:
            key = load_der_public_key(answer[4:166])
            assert isinstance(key, rsa.RSAPublicKey)
            self._key = key
            common, _, offset = struct.unpack_from("<III", answer, 166)
            assert common == 1
            assert struct.unpack_from("<I", answer, offset) == (capabilities,)
        return int(error)

    async def authenticate(self, password: str) -> int:
        """The server's answer."""
        sha1 = hashes.SHA1()
        oaep = padding.OAEP(mgf=padding.MGF1(algorithm=sha1), algorithm=sha1, label=None)
        sealed = self._key.encrypt(password.encode() + b"\0", oaep)
        self._writer.write(struct.pack("<I", 1) + sealed)
        (result,) = struct.unpack("<I", await self._reader.readexactly(4))
        return int(result)

    async def message(self) -> tuple[int, bytes]:
        kind, size = struct.unpack("<HI", await self._reader.readexactly(6))
        return kind, await self._reader.readexactly(size)

    def say(self, kind: int, body: bytes = b"") -> None:
        self._writer.write(struct.pack("<HI", kind, len(body)) + body)
