"""One WebSocket: who may open it, to which guest, and how many at a time.

Owns: the order of the checks, the limits, what is logged of a console.
May not: say a token to the log, or to a caller why a token is not good.
Crash story: counts start at zero with the process, as do the connections.

A refusal comes before the WebSocket is one, as a status without a body: what follows the handshake
of a console would be read as its guest's bytes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from aiohttp import web

from common.config.consoles import ConsolesSettings
from common.errors import Forbidden, MusterError
from common.runtime.ports import Clock
from services.consoles import origins
from services.consoles.carrying import Carrying
from services.consoles.guests import Guests
from services.consoles.metrics import OPEN, REFUSED

log = structlog.get_logger(__name__)

HEARTBEAT_S = 30.0
"""A browser that answers no ping for this long is gone."""
CLOSE_TIMEOUT_S = 2.0
"""How long a browser may take to confirm that it was hung up on."""
MOST_MESSAGE_BYTES = 1 << 20


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Proxy:
    """`connect` is the handler of the paths that consoles are at."""

    def __init__(self, settings: ConsolesSettings, guests: Guests, clock: Clock) -> None:
        self._settings = settings
        self._guests = guests
        self._clock = clock
        self._stopping = asyncio.Event()
        self._by_server: Counter[UUID] = Counter()

    def stop(self) -> None:
        """Begin to hang up on everybody, and take nobody else."""
        self._stopping.set()

    async def connect(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._connect(request)
        except _Refused as refused:
            REFUSED.labels(reason=refused.reason).inc()
            log.info("console_refused", reason=refused.reason, client=request.remote)
            return web.Response(status=refused.status, headers={"Connection": "close"})

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        settings = self._settings
        socket = web.WebSocketResponse(
            timeout=CLOSE_TIMEOUT_S,
            protocols=("binary",),
            heartbeat=HEARTBEAT_S,
            compress=False,
            max_msg_size=MOST_MESSAGE_BYTES,
        )
        if not socket.can_prepare(request):
            raise _Refused(404, "no_websocket")
        if not origins.allowed(
            request.headers.get("Origin"), request.host, settings.allowed_origins
        ):
            raise _Refused(403, "origin")
        try:
            grant = await self._guests.find(_token(request))
        except Forbidden:
            raise _Refused(403, "token") from None
        except MusterError as error:
            log.warning("console_token_unknown", error=str(error))
            raise _Refused(503, "database") from error
        with self._counted(grant.server_uuid):
            try:
                guest = await self._guests.connect(grant)
            except MusterError as error:
                log.warning("console_unreachable", server=str(grant.server_uuid), error=str(error))
                raise _Refused(503, "host") from error
            try:
                await socket.prepare(request)
            except BaseException:
                guest[1].close()
                raise
            about = {"server": str(grant.server_uuid), "type": grant.console_type}
            log.info("console_opened", **about, client=request.remote)
            carrying = Carrying(socket, guest, self._clock, settings.idle_timeout_s)
            ended_by = await carrying.run(self._stopping)
            log.info("console_closed", **about, client=request.remote, ended_by=ended_by)
        return socket

    @contextmanager
    def _counted(self, server: UUID) -> Iterator[None]:
        """One more console of this server; raises when that is too many."""
        if self._by_server.total() >= self._settings.max_connections:
            raise _Refused(503, "too_many")
        if self._by_server[server] >= self._settings.max_connections_per_server:
            raise _Refused(503, "too_many_of_server")
        self._by_server[server] += 1
        OPEN.inc()
        try:
            yield
        finally:
            OPEN.dec()
            self._by_server[server] -= 1
            if not self._by_server[server]:
                del self._by_server[server]


def _token(request: web.Request) -> str:
    """From the query, else from the cookie that spice-html5 sets."""
    return request.query.get("token") or request.cookies.get("token", "")
