"""Builds the metadata service and starts and stops it.

Owns: the only place where its objects are made and joined; the listening socket.
May not: hold rules. Any number of them run side by side.
Crash story: nothing here must survive; guests ask again.
"""

from __future__ import annotations

import aiohttp
from aiohttp import web

from common.auth.session import ServiceSession
from common.config.settings import Settings
from common.neighbours.network import NetworkClient
from common.neighbours.vendor_data import VendorData
from common.runtime.ports import Ports
from services.metadata.requests import Requests

STOP_GRACE_S = 5.0
"""How long requests in progress may take when the service stops."""
CRASH_GRACE_S = 0.001
"""aiohttp takes 0 for "no limit"; handlers in progress are cancelled."""
IDLE_S = 15.0


class MetadataService:
    """One process. `port` is the real one after `start()`."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        if ports.pool is None:
            raise ValueError("the metadata service needs a database pool in its ports")
        self._settings = settings
        self._ports = ports
        self._pool = ports.pool
        self._http: aiohttp.ClientSession | None = None
        self._server: web.Server | None = None
        self._runner: web.ServerRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen. Neighbours may come later: until then guests get 503. Raises `InvalidInput` when
        the file with vendor data cannot be used."""
        settings = self._settings
        self._http = aiohttp.ClientSession()
        session = ServiceSession(
            settings.identity, settings.neighbours, self._http, self._ports.clock
        )
        requests = Requests(
            settings,
            self._pool,
            NetworkClient(session),
            VendorData(settings.metadata, session, self._http),
            self._ports.clock,
        )
        self._server = web.Server(requests.answer, access_log=None, keepalive_timeout=IDLE_S)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=STOP_GRACE_S)
        await self._runner.setup()
        metadata = settings.metadata
        site = web.TCPSite(self._runner, metadata.listen_host, metadata.listen_port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse new connections, finish requests in progress."""
        if self._runner is not None:
            await self._runner.cleanup()
        await self._close()

    async def crash(self) -> None:
        """Cut every connection, as a killed process would."""
        if self._runner is not None and self._server is not None:
            for site in list(self._runner.sites):
                await site.stop()
            for connection in list(self._server.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            await self._server.shutdown(CRASH_GRACE_S)
        await self._close()

    async def _close(self) -> None:
        if self._http is not None:
            await self._http.close()


def create(settings: Settings, ports: Ports) -> MetadataService:
    """The service, not yet started."""
    return MetadataService(settings, ports)
