"""/healthz, /readyz and /metrics of a process, on a port of their own.

Owns: a very small HTTP responder. It is no second web stack: three GET paths, no bodies, one
request per connection, so that a compute agent need not carry a web server in memory.
May not: block, or answer anything else.
Crash story: dies with its service, which is what /healthz is for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import orjson

REQUEST_TIMEOUT_S = 5.0
MAX_REQUEST_BYTES = 8192

Checks = Callable[[], Mapping[str, bool]]
"""Named conditions of readiness as of now, e.g. {"started": True, "bus": False}."""

_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def metrics_text() -> bytes:
    """All Prometheus metrics of this process, in the text format."""
    from prometheus_client import generate_latest  # imported by who scrapes, not by who starts

    return generate_latest()


class HealthServer:
    """Answers on `host`:`port` (0 chooses a free one, see `port`) until stopped."""

    def __init__(self, host: str, port: int, checks: Checks) -> None:
        self._host = host
        self.port = port
        self._checks = checks
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(
            self._serve, self._host, self.port, limit=MAX_REQUEST_BYTES
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a request."""
        if method not in {"GET", "HEAD"}:
            return 405, "text/plain", b""
        match path.partition("?")[0]:
            case "/healthz":
                return 200, "application/json", b'{"status":"alive"}'
            case "/readyz":
                checks = dict(self._checks())
                ready = all(checks.values())
                body = {"status": "ready" if ready else "not ready", "checks": checks}
                return (200 if ready else 503), "application/json", orjson.dumps(body)
            case "/metrics":
                return 200, "text/plain; version=0.0.4; charset=utf-8", metrics_text()
        return 404, "text/plain", b"/healthz /readyz /metrics\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError
        ):
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, *_ = [*head.split(b"\r\n", 1)[0].decode("latin-1").split(), "", ""]
                status, kind, body = self.answer(method, path)
                writer.write(
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                    + (b"" if method == "HEAD" else body)
                )
                await writer.drain()
        writer.close()
