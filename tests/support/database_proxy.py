"""The way of one process to PostgreSQL, which a test can cut or block for it alone."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_SOCKET = ".s.PGSQL.5432"


class DatabaseProxy:
    """Passes a unix socket on to the one in `url`; use `proxy.url` instead."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        (self._target,) = parse_qs(parts.query)["host"]
        self._directory = Path(tempfile.mkdtemp(prefix="muster-db-"))  # a socket's path is short
        self.url = parts._replace(query=f"host={self._directory}").geturl()
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()

    async def start(self) -> None:
        self._open.set()
        self._server = await asyncio.start_unix_server(
            self._connected, path=str(self._directory / _SOCKET)
        )

    async def cut(self) -> None:
        """Every session is lost and no other can be had."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._passing):
            task.cancel()
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()
        (self._directory / _SOCKET).unlink(missing_ok=True)
        self._open.set()

    def block(self) -> None:
        """Sessions stay and nothing comes through."""
        self._open.clear()

    async def mend(self) -> None:
        if self._server is None:
            await self.start()
        self._open.set()

    async def stop(self) -> None:
        await self.cut()
        shutil.rmtree(self._directory)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(f"{self._target}/{_SOCKET}")
        self._writers |= {writer, there[1]}
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.get_running_loop().create_task(self._pass(source, sink))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
