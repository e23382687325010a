"""The public port: connections, and how long and how many of them may stay.

Owns: the limits that hold before there is a request: open connections, silence between requests,
the time that the head of a request may take. May not: know what is asked.
Crash story: clients see their connections end and repeat what was not answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from common.config.api import ApiSettings
from common.telemetry.outages import Outages

STOP_GRACE_S = 10.0
"""How long requests in progress may take when the service stops."""
CRASH_GRACE_S = 0.001
"""aiohttp takes 0 for "no limit"; handlers in progress are cancelled."""

LINGER_S = 10.0
"""How long the rest of a body that was refused is still taken, so that its sender sees why."""

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(web.RequestHandler):
    """One client's. Its clock runs from the first byte of a request to the end of its head."""

    def __init__(self, server: _Server, **arguments: Any) -> None:
        super().__init__(server, **arguments)
        self._server = server
        self._in_request = False
        self._too_slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._server.has_room():
            self.force_close()

    def data_received(self, data: bytes) -> None:
        if not self._in_request and self._too_slow is None:
            loop = asyncio.get_running_loop()
            self._too_slow = loop.call_later(self._server.header_timeout_s, self.force_close)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def request_began(self) -> None:
        self._in_request = True
        self._stop_clock()

    def request_ended(self) -> None:
        self._in_request = False

    def _stop_clock(self) -> None:
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None


class _Server(web.Server):
    """Makes connections; with `max_connections` open it takes no more."""

    def __init__(self, settings: ApiSettings, answer: Answer, outages: Outages) -> None:
        super().__init__(self._answer, request_factory=self._request)
        self._settings = settings
        self._answer_to = answer
        self._outages = outages
        self._running_in = asyncio.get_running_loop()
        self.header_timeout_s = settings.header_timeout_s

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=self._running_in,
            access_log=None,
            keepalive_timeout=self._settings.idle_timeout_s,
            lingering_time=min(LINGER_S, self._settings.body_timeout_s),
            auto_decompress=False,  # what is small on the wire must be small here
        )

    def has_room(self) -> bool:
        most = self._settings.max_connections
        if len(self.connections) > most:
            self._outages.away("room for connections", f"{most} are open (api.max_connections)")
            return False
        self._outages.back("room for connections")
        return True

    def _request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any
    ) -> web.BaseRequest:
        """aiohttp's requests, with our size limit."""
        protocol.request_began()
        most = self._settings.max_body_bytes
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._running_in, client_max_size=most
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer_to(request)
        finally:
            if isinstance(request.protocol, _Connection):
                request.protocol.request_ended()


class Listener:
    """Listens from `start()` to `stop()`; `port` is the real one in between."""

    def __init__(self, settings: ApiSettings, answer: Answer, outages: Outages) -> None:
        self._settings = settings
        self._answer = answer
        self._outages = outages
        self._server: _Server | None = None
        self._runner: web.ServerRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        settings = self._settings
        self._server = _Server(settings, self._answer, self._outages)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=STOP_GRACE_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.listen_host, settings.listen_port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse new connections, finish requests in progress."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def crash(self) -> None:
        """Cut every connection, as the end of the process would."""
        if self._runner is None or self._server is None:
            return
        for site in list(self._runner.sites):
            await site.stop()
        for connection in list(self._server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await self._server.shutdown(CRASH_GRACE_S)
