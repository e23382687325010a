"""Builds the console proxy and starts and stops it.

Owns: the listening socket, the paths. May not: know a protocol that guests speak.
Crash story: connections break and pages connect again, for as long as their token lasts.
"""

from __future__ import annotations

from aiohttp import web

from common.config.settings import Settings
from common.runtime.ports import Ports
from services.consoles import pages
from services.consoles.guests import Guests
from services.consoles.proxy import Proxy

SILENT_TIMEOUT_S = 15.0
"""A connection on which nothing, or no whole request, comes for this long is closed."""
STOP_GRACE_S = 3.0
CRASH_GRACE_S = 0.001


class ConsolesService:
    """One console proxy. `port` is the real one after `start()`."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        if ports.pool is None:
            raise ValueError("the console proxy needs a database pool in its ports")
        self._settings = settings.consoles
        guests = Guests(ports.pool, ports.bus, ports.clock, settings.bus.call_timeout_s)
        self._proxy = Proxy(settings.consoles, guests, ports.clock)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_get("/", self._proxy.connect)
        app.router.add_get("/websockify", self._proxy.connect)
        pages.mount(app, self._settings.spice_html5_dir)
        self._runner = web.AppRunner(
            app,
            access_log=None,  # it would have tokens in it
            keepalive_timeout=SILENT_TIMEOUT_S,
            shutdown_timeout=STOP_GRACE_S,
        )
        await self._runner.setup()
        settings = self._settings
        await web.TCPSite(self._runner, settings.listen_host, settings.listen_port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Hang up on everybody, with a word."""
        self._proxy.stop()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def crash(self) -> None:
        """Cut every connection, as a killed process would."""
        runner, self._runner = self._runner, None
        if runner is None or runner.server is None:
            return
        for site in list(runner.sites):
            await site.stop()
        for connection in list(runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await runner.server.shutdown(CRASH_GRACE_S)


def create(settings: Settings, ports: Ports) -> ConsolesService:
    """The service, not yet started."""
    return ConsolesService(settings, ports)
