"""Builds the API service and starts and stops it.

Owns: the only place where the API's objects are made and joined; the listening socket; the row
that says this process lives. May not: hold business rules.
Crash story: nothing here must survive; clients repeat what was not answered.
"""

from __future__ import annotations

import contextlib

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
from common.telemetry.outages import Outages
from services.api.handlers import all_operations
from services.api.http.authentication import Authenticator
from services.api.http.listener import Answer, Listener
from services.api.http.pipeline import Pipeline
from services.api.http.ratelimit import RateLimit
from services.api.http.router import Router
from services.api.operation import check_rules
from services.api.outages import DatabaseOutage
from services.api.placement.pipeline import PlacementView
from services.api.policies import all_rules
from services.api.policy import Policy
from services.api.request import Deps

BINARY = "nova-osapi_compute"
"""How this process is called in table services; operators are not shown it."""
POLICY_CHECK_INTERVAL_S = 2.0
NEIGHBOUR_CONNECTIONS = 100


class ApiService:
    """One API process. `port` is the real one after `start()`."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        if ports.pool is None:
            raise ValueError("the API needs a database pool in its ports")
        self._settings = settings
        self._ports = ports
        self._pool = ports.pool
        self._tasks = Tasks(ports.clock)
        self._clients: list[aiohttp.ClientSession] = []
        self._listener: Listener | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen. Neighbours may come later: until then requests that need them get 503."""
        api, outages = self._settings.api, Outages(self._ports.clock)
        self._listener = Listener(api, self._build(outages), outages)
        await self._listener.start()
        self.port = self._listener.port
        group = self._settings.servicegroup
        await service_report(self._pool, api.host_name, BINARY, group)
        self._tasks.loop(
            "report",
            group.report_interval_s,
            lambda: service_report(self._pool, api.host_name, BINARY, group),
        )

    async def stop(self) -> None:
        """Refuse new connections, finish requests in progress."""
        if self._listener is not None:
            await self._listener.stop()
        await self._close()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await service_goodbye(self._pool, self._settings.api.host_name, BINARY)

    async def crash(self) -> None:
        """Cut every connection, as a killed process would."""
        if self._listener is not None:
            await self._listener.crash()
        await self._close()

    async def _close(self) -> None:
        await self._tasks.stop()
        for client in self._clients:
            await client.close()

    def _session(self, connections: int, outages: Outages) -> ServiceSession:
        """A way to the neighbours that nothing else takes."""
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections))
        self._clients.append(http)
        settings = self._settings
        return ServiceSession(
            settings.identity, settings.neighbours, http, self._ports.clock, outages
        )

    def _build(self, outages: Outages) -> Answer:
        settings, ports = self._settings, self._ports
        api = settings.api
        operations, rules = all_operations(), all_rules()
        check_rules(operations, rules)
        policy = Policy(rules, settings.api.policy_file)
        session = self._session(NEIGHBOUR_CONNECTIONS, outages)
        asking = self._session(api.token_check_connections, outages)
        tokens = TokenChecker(settings.identity, asking, ports.clock, self._tasks)
        bad_tokens = RateLimit(api.bad_tokens_per_s, api.bad_tokens_burst, ports.clock)
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
        authenticator = Authenticator(tokens, policy, bad_tokens)
        database = DatabaseOutage(self._pool, ports.clock, self._tasks)
        auth_url = settings.identity.www_authenticate_url or settings.identity.auth_url
        pipeline = Pipeline(
            deps,
            Router(operations),
            authenticator,
            RateLimit(api.rate_limit_per_s, api.rate_limit_burst, ports.clock),
            database=database,
            www_authenticate_url=auth_url,
        )
        placement = PlacementView(
            deps, authenticator, database=database, www_authenticate_url=auth_url
        )

        async def answer(http: web.BaseRequest) -> web.StreamResponse:
            """Two APIs share the port: paths of the Placement view, and everything else."""
            view = placement if PlacementView.has(http.path) else pipeline
            return await view.answer(http)

        return answer


def create(settings: Settings, ports: Ports) -> ApiService:
    """The service, not yet started."""
    return ApiService(settings, ports)
