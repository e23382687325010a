"""The stand-ins' composition root and server.

Owns: one listener that carries every stand-in under its own path, and their life cycle.
May not: know a resource.
Crash story: `crash()` drops connections in mid-sentence and closes the files without a word; what
was acknowledged is there at the next start.
"""

from __future__ import annotations

import errno

import structlog
from aiohttp import web

from common.config.settings import Settings
from common.errors import Unavailable
from common.runtime.ports import Ports
from services.standins.events import Events
from services.standins.identity.service import Identity
from services.standins.image.service import Image
from services.standins.network.events import Events as NetworkEvents
from services.standins.network.service import Network
from services.standins.outside_identity import OutsideIdentity
from services.standins.volume.compute import Compute
from services.standins.volume.images import Images, NoImages
from services.standins.volume.service import Volume
from services.standins.web import StandIn, mount

log = structlog.get_logger(__name__)

DRAIN_S = 5.0
"""How long requests under way may take to finish at a graceful stop."""


class Standins:
    """All stand-ins of one process, behind one port."""

    port: int = 0
    """Where it listens; known after `start()`."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._all_settings = settings
        self._settings = settings.standins
        self._ports = ports
        self._runner: web.AppRunner | None = None
        self._stand_ins: list[StandIn] = []
        self._events: Events | None = None
        self._compute: Compute | None = None
        self._outside: OutsideIdentity | None = None

    async def start(self) -> None:
        settings, clock, ids = self._settings, self._ports.clock, self._ports.ids
        compute_url = settings.compute_internal_url or settings.compute_public_url
        identity = Identity(settings, clock, ids)
        authenticate, service_token = identity.tokens.authenticate, identity.service_token
        if "identity" not in settings.serve:
            self._outside = OutsideIdentity(self._all_settings, clock)
            authenticate, service_token = self._outside.authenticate, self._outside.service_token
        self._events = Events(compute_url, service_token, clock)
        self._compute = Compute(compute_url, service_token)
        image = Image(settings, clock, ids)
        images: Images = image if "image" in settings.serve else NoImages()
        volume = Volume(
            settings, clock, ids, events=self._events, compute=self._compute, images=images
        )
        # Another stand-in is one more entry here and a row of the seeded catalog.
        offered: dict[str, StandIn] = {
            "identity": identity,
            "image": image,
            "network": Network(settings, clock, ids, NetworkEvents(self._events)),
            "volume": volume,
        }
        self._stand_ins = [offered[name] for name in offered if name in settings.serve]
        app = web.Application()
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._health)
        try:
            if self._outside is not None:
                await self._outside.start()
            for stand_in in self._stand_ins:
                stand_in.store.open()
                with stand_in.store.transaction():
                    stand_in.seed()
                mount(app, stand_in, authenticate, ids)
            await self._listen(app)
        except BaseException:
            await self.stop()
            raise
        self._events.start()
        log.info("standins_ready", host=settings.listen_host, port=self.port)

    async def _listen(self, app: web.Application) -> None:
        host, port = self._settings.listen_host, self._settings.listen_port
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"failed ({error})"
            raise Unavailable(
                f"stand-ins: port {port} on {host} {reason}; stop what uses it, or set"
                f" MUSTER_STANDINS__LISTEN_PORT (listen_host is MUSTER_STANDINS__LISTEN_HOST)"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def _health(self, _: web.Request) -> web.Response:
        # The listener opens after the last seed, so whoever is answered is served.
        return web.json_response({"status": "ok"})

    async def stop(self) -> None:
        if self._events is not None:
            await self._events.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._compute is not None:
            await self._compute.close()
        if self._outside is not None:
            await self._outside.stop()
        self._close_stores()

    async def crash(self) -> None:
        self._close_stores()
        if self._events is not None:
            await self._events.stop()
        if self._compute is not None:
            await self._compute.close()
        if self._outside is not None:
            await self._outside.stop()
        runner, self._runner = self._runner, None
        if runner is not None:
            if runner.server is not None:
                for connection in runner.server.connections:
                    connection.force_close()
            await runner.cleanup()

    def _close_stores(self) -> None:
        for stand_in in self._stand_ins:
            stand_in.store.close()


def create(settings: Settings, ports: Ports) -> Standins:
    return Standins(settings, ports)
