"""Every request of a guest, from its address to its answer.

The path of a request: the list of EC2 versions, which everybody may see -> 405 -> who asks (400,
403, 404, 409, 503) -> the server's facts -> what is at the path.
Owns: that order, HTTP status codes, what is logged: which server asked for what, never what it was
told or told us.
Crash story: a request in progress is lost with its connection; guests ask again.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from common.db.stores import aggregates, guest_passwords
from common.db.stores import servers as store
from common.domain.guest_data.facts import GuestFacts
from common.domain.guest_data.openstack import SEED_BYTES
from common.domain.server import Server
from common.errors import Conflict, InvalidInput, MusterError, NotFound, Unavailable
from common.neighbours.guest_facts import guest_facts
from services.metadata import content
from services.metadata.cache import Cache
from services.metadata.callers import Caller, Callers
from services.metadata.content import TEXT, Content

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from common.config.settings import Settings
    from common.neighbours.network import NetworkClient
    from common.neighbours.vendor_data import VendorData
    from common.runtime.ports import Clock

log = structlog.get_logger(__name__)

MOST_PASSWORD_BYTES = 1024
"""Of a password encrypted with a key of 4096 bits, in base64, with some room."""
BODY_TIMEOUT_S = 10.0
"""For all of it: a guest that stops in the middle holds no connection."""
RETRY_AFTER_S = 2
_READS = frozenset({"GET", "HEAD"})


class TooLarge(InvalidInput):
    """The request is too large."""

    code = "too_large"
    http_status = 413


class TooSlow(InvalidInput):
    """The password did not arrive in time."""

    code = "too_slow"
    http_status = 408


class MethodNotAllowed(InvalidInput):
    """Guests read here, and report their password with POST."""

    code = "method_not_allowed"
    http_status = 405


class Requests:
    def __init__(
        self,
        settings: Settings,
        pool: asyncpg.Pool[asyncpg.Record],
        network: NetworkClient,
        vendor_data: VendorData,
        clock: Clock,
    ) -> None:
        metadata = settings.metadata
        self._settings = settings
        self._pool = pool
        self._network = network
        self._vendor_data = vendor_data
        self._callers = Callers(metadata, network, clock)
        self._facts: Cache[UUID, GuestFacts] = Cache(clock, entries=metadata.cache_entries)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        segments = [segment for segment in request.path.split("/") if segment not in {"", "."}]
        try:
            found = await self._content(request, segments)
        except MusterError as error:
            return _refusal(error)
        except Exception:
            log.exception("request_failed", path=request.path)
            return web.Response(status=500, text="The service has failed; it is not your fault.\n")
        return web.Response(body=found.body, headers={"Content-Type": found.kind})

    async def _content(self, request: web.BaseRequest, segments: list[str]) -> Content:
        if request.method not in _READS | {"POST"}:
            raise MethodNotAllowed
        if not segments:
            _reads_only(request)
            return content.versions()
        caller = await self._callers.identify(request)
        facts = await self._facts_of(caller)
        log.info("asked", server=facts.uuid, method=request.method, path=request.path)
        if content.is_password(segments):
            return await self._password(request, caller)
        _reads_only(request)
        return content.content(facts, segments, secrets.token_bytes(SEED_BYTES))

    async def _facts_of(self, caller: Caller) -> GuestFacts:
        facts = self._facts.get(caller.server_uuid)
        if facts is None:
            placed = await store.server_get(self._pool, caller.server_uuid)
            if placed is None:
                raise NotFound("No such instance.")
            facts = await self._gathered(placed.server)
            cache_s = self._settings.metadata.cache_s
            self._facts.put(caller.server_uuid, facts, for_s=cache_s)
        if caller.project_id != facts.project_id:
            raise NotFound("No such instance.")
        return facts

    async def _gathered(self, server: Server) -> GuestFacts:
        default_zone = self._settings.api.default_availability_zone
        zone = server.availability_zone
        if server.host is not None:
            zone = await aggregates.zone_of(self._pool, server.host, default_zone)
        return await guest_facts(
            server,
            self._settings,
            self._network,
            self._vendor_data,
            zone=zone or default_zone,
        )

    async def _password(self, request: web.BaseRequest, caller: Caller) -> Content:
        if request.method in _READS:
            told = await guest_passwords.get(self._pool, caller.server_uuid)
            return Content(told.encode())
        password = await _body(request, MOST_PASSWORD_BYTES)
        if not password:
            raise InvalidInput("The password is empty.")
        if not await guest_passwords.set_once(self._pool, caller.server_uuid, password):
            raise Conflict("The password has been reported already.")
        return Content(b"")


def _reads_only(request: web.BaseRequest) -> None:
    if request.method not in _READS:
        raise MethodNotAllowed


async def _body(request: web.BaseRequest, most: int) -> str:
    body = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise TooLarge
    except TimeoutError as error:
        raise TooSlow from error
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise InvalidInput("The password is not in base64.") from None
    if not text.isprintable():
        raise InvalidInput("The password is not in base64.")
    return text


def _refusal(error: MusterError) -> web.Response:
    """What a neighbour has said is for the log."""
    headers = {"Content-Type": TEXT}
    text = str(error)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = "GET, HEAD, POST"
    if isinstance(error, Unavailable):
        log.warning("facts_unavailable", error=text)
        headers["Retry-After"] = str(RETRY_AFTER_S)
        text = "A service that knows the answer is out of reach; ask again."
    response = web.Response(status=error.http_status, text=f"{text}\n", headers=headers)
    if isinstance(error, TooSlow):
        response.force_close()
    return response
