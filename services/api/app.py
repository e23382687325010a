"""Builds the API service and starts and stops it.

Owns: the only place where the API's objects are made and joined; the listening socket; the row
that says this process lives. May not: hold business rules.
Crash story: nothing here must survive; clients repeat what was not answered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import aiohttp
import asyncpg
from aiohttp import web

from common.auth.session import ServiceSession
from common.auth.tokens import TokenChecker
from common.config.settings import Settings
from common.db.stores.services import service_goodbye, service_report
from common.neighbours.image import ImageClient
from common.neighbours.network import NetworkClient
from common.neighbours.volume import VolumeClient
from common.runtime.ports import Ports
from common.runtime.tasks import Tasks
from services.api.handlers import all_operations
from services.api.http.authentication import Authenticator
from services.api.http.pipeline import Pipeline
from services.api.http.ratelimit import RateLimit
from services.api.http.router import Router
from services.api.operation import check_rules
from services.api.policies import all_rules
from services.api.policy import Policy
from services.api.request import Deps

BINARY = "nova-osapi_compute"
"""How this process is called in table services; operators are not shown it."""
POLICY_CHECK_INTERVAL_S = 2.0
STOP_GRACE_S = 10.0
"""How long requests in progress may take when the service stops."""
CRASH_GRACE_S = 0.001
"""aiohttp takes 0 for "no limit"; handlers in progress are cancelled."""


class ApiService:
    """One API process. `port` is the real one after `start()`."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        if ports.pool is None:
            raise ValueError("the API needs a database pool in its ports")
        self._settings = settings
        self._ports = ports
        self._pool = ports.pool
        self._tasks = Tasks(ports.clock)
        self._http: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None
        self._server: web.Server | None = None
        self._pipeline: Pipeline
        self.port = 0

    async def start(self) -> None:
        """Listen. Neighbours may come later: until then requests that need them get 503."""
        api = self._settings.api
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))
        self._pipeline = self._build(self._http)
        self._server = web.Server(
            self._answer, request_factory=self._request_factory(), access_log=None
        )
        self._runner = web.ServerRunner(self._server, shutdown_timeout=STOP_GRACE_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, api.listen_host, api.listen_port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]
        group = self._settings.servicegroup
        await service_report(self._pool, api.host_name, BINARY, group)
        self._tasks.loop(
            "report",
            group.report_interval_s,
            lambda: service_report(self._pool, api.host_name, BINARY, group),
        )

    async def stop(self) -> None:
        """Refuse new connections, finish requests in progress."""
        if self._runner is not None:
            await self._runner.cleanup()
        await self._close()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await service_goodbye(self._pool, self._settings.api.host_name, BINARY)

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
        await self._tasks.stop()
        if self._http is not None:
            await self._http.close()

    def _build(self, http: aiohttp.ClientSession) -> Pipeline:
        settings, ports = self._settings, self._ports
        operations, rules = all_operations(), all_rules()
        check_rules(operations, rules)
        policy = Policy(rules, settings.api.policy_file)
        session = ServiceSession(settings.identity, settings.neighbours, http, ports.clock)
        tokens = TokenChecker(settings.identity, session, ports.clock, self._tasks)
        deps = Deps(
            settings=settings,
            pool=self._pool,
            bus=ports.bus,
            clock=ports.clock,
            ids=ports.ids,
            random=ports.random,
            tasks=self._tasks,
            policy=policy,
            session=session,
            image=ImageClient(session),
            network=NetworkClient(session),
            volume=VolumeClient(session),
        )
        if settings.api.policy_file is not None:
            self._tasks.loop("policy-file", POLICY_CHECK_INTERVAL_S, policy.reload_if_changed)
        return Pipeline(
            deps,
            Router(operations),
            Authenticator(tokens, policy),
            RateLimit(settings.api.rate_limit_per_s, settings.api.rate_limit_burst, ports.clock),
            settings.identity.www_authenticate_url or settings.identity.auth_url,
        )

    def _request_factory(self) -> Callable[..., web.BaseRequest]:
        """aiohttp's requests, with our size limit."""
        loop, limit = asyncio.get_running_loop(), self._settings.api.max_body_bytes
        return lambda message, payload, protocol, writer, task: web.BaseRequest(
            message, payload, protocol, writer, task, loop, client_max_size=limit
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._pipeline.answer(request)


def create(settings: Settings, ports: Ports) -> ApiService:
    """The service, not yet started."""
    return ApiService(settings, ports)
