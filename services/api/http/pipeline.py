"""What happens to every HTTP request, in order.

The path of a request: size limit -> 401 token -> 429 rate -> 404 route -> 400 malformed version ->
406 version nobody speaks -> 415 content type -> 400 body and action -> 400 project in the URL ->
404 not in this version -> 400 schema of query and body -> typed values -> 404 target -> 403
policy -> handler -> answer.
Clients rely on this order, so it stands here in one place.

Owns: that order, and turning every outcome into an answer. May not: know any resource.
Crash story: a request in progress is lost with its connection; the client sees no answer.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
import structlog
from aiohttp import web

from common.errors import InvalidInput, Unauthorized
from services.api import versions
from services.api.http import documents, faults, metrics, negotiation, responses
from services.api.http.addresses import Addresses
from services.api.http.faults import HttpError
from services.api.http.links import Links
from services.api.http.router import Router, Target, choose_action, choose_version
from services.api.http.validation import Validators, as_v2, known_parameters
from services.api.operation import Operation, Reply
from services.api.outages import DatabaseOutage
from services.api.request import Deps, Request, RequestContext

if TYPE_CHECKING:
    from services.api.http.authentication import Authenticator
    from services.api.http.ratelimit import RateLimit

log = structlog.get_logger(__name__)

LEGACY = "v2"
"""The v2.0 look: fixed at 2.1, no version headers, unknown body keys dropped."""
CURRENT = "v2.1"
_PROJECT = re.compile(r"[0-9a-f-]+")
_CONTENT_TYPES = frozenset(
    {"text/plain", "application/json", "application/vnd.openstack.compute+json"}
)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
MOST_LEVELS = 64
"""Deeper than any request is; what comes after parsing goes down level by level."""
_NOWHERE = "(unknown path)"
_SECRET_BELOW = ("/os-console-auth-tokens/",)


class UnknownPath(Exception):
    """No operation has this path with this method."""


class BodyTooLarge(Exception):
    """The body is over the limit."""


class BodyTooSlow(Exception):
    """The body did not come in time."""


@dataclass
class Exchange:
    """A request on its way through the steps below; filled in as they learn about it."""

    http: web.BaseRequest
    request_id: str
    version_segment: str
    segments: list[str]
    operation: str = _NOWHERE
    shown_version: str | None = None
    """For the version headers, also of refusals from before the version counts."""
    version: int = versions.MIN
    project: str | None = None
    """The project the URL names."""
    params: dict[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def legacy(self) -> bool:
        return self.version_segment == LEGACY


class Pipeline:
    """Answers requests; one per process."""

    def __init__(
        self,
        deps: Deps,
        router: Router,
        authenticator: Authenticator,
        rate_limit: RateLimit,
        *,
        database: DatabaseOutage,
        www_authenticate_url: str,
    ) -> None:
        self._deps = deps
        self._router = router
        self._authenticator = authenticator
        self._rate_limit = rate_limit
        self._addresses = Addresses(deps.settings.api)
        self._database = database
        self._validators = Validators()
        self._www_authenticate_url = www_authenticate_url
        self._max_body_bytes = deps.settings.api.max_body_bytes

    async def answer(self, http: web.BaseRequest) -> web.Response:
        """Never raises; every outcome is an answer."""
        path = http.rel_url.raw_path
        version_segment, _, rest = path.lstrip("/").partition("/")
        if version_segment not in {CURRENT, LEGACY}:
            return documents.outside(self._addresses.base(http), path)
        if http.method == "GET" and not rest.strip("/"):
            return documents.root(
                http, self._addresses.base(http), version_segment, self._deps.ids.request_id()
            )
        started = self._deps.clock.monotonic()
        exchange = Exchange(http, self._deps.ids.request_id(), version_segment, _segments(rest))
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        response = await self._answer_operation(exchange)
        took_s = self._deps.clock.monotonic() - started
        metrics.observe(exchange.operation, response.status, took_s)
        say = log.debug if http.method == "GET" else log.info
        say(
            "request",
            operation=exchange.operation,
            path=_without_secrets(path),
            status=response.status,
            took_ms=round(took_s * 1000, 2),
        )
        return response

    async def _answer_operation(self, exchange: Exchange) -> web.Response:
        request_id = exchange.request_id
        accept = exchange.http.headers.get("Accept", "")
        try:
            operation, reply = await self._perform(exchange)
            status = reply.status or operation.status(exchange.version)
            return responses.reply(
                status, reply.body, reply.headers, request_id, exchange.shown_version
            )
        except Unauthorized as error:
            return responses.unauthorized(str(error), request_id, self._www_authenticate_url)
        except UnknownPath:
            return responses.unknown_path(accept, request_id)
        except BodyTooSlow:
            return responses.too_slow(accept, request_id)
        except BodyTooLarge:
            return responses.too_large(self._max_body_bytes, accept, request_id)
        except Exception as error:
            self._database.noticed(error)
            if not faults.expected(error):
                log.exception("request_failed", operation=exchange.operation)
            return responses.fault(error, request_id, exchange.shown_version)

    async def _perform(self, exchange: Exchange) -> tuple[Operation, Reply]:
        http = exchange.http
        if not exchange.legacy:
            exchange.shown_version = negotiation.shown(http.headers)
        self._refuse_large(http)
        ctx = await self._authenticator.context(
            http.headers, self._addresses.client(http), exchange.request_id
        )
        self._rate_limit.take(ctx.project_id)
        target = self._route(exchange)
        if not exchange.legacy:
            exchange.version = negotiation.requested(http.headers)
        _check_content_type(http)
        raw = await self._read(http)
        rows = target.plain
        if target.actions:
            exchange.body = _decode(raw)
            rows = choose_action(target, exchange.body)
        elif raw and http.method in _WITH_BODY:
            exchange.body = _decode(raw)
        exchange.operation = rows[0].id
        _check_project(exchange.project, ctx)
        operation = choose_version(rows, exchange.version)
        request = self._validated(exchange, operation, ctx)
        rule = operation.policy(request) if callable(operation.policy) else operation.policy
        await operation.target(request, rule)
        return operation, await operation.handler(request)

    def _route(self, exchange: Exchange) -> Target:
        """Finds the target; notes the path's parameters and the project the URL names."""
        segments = exchange.segments
        if segments and _PROJECT.fullmatch(segments[0]):
            exchange.project, segments = segments[0], segments[1:] or [""]
        found = self._router.find(exchange.http.method, segments)
        if found is None:
            raise UnknownPath
        target, exchange.params = found
        return target

    def _refuse_large(self, http: web.BaseRequest) -> None:
        if (http.content_length or 0) > self._max_body_bytes:
            raise BodyTooLarge

    async def _read(self, http: web.BaseRequest) -> bytes:
        if not http.body_exists:
            return b""
        try:
            async with asyncio.timeout(self._deps.settings.api.body_timeout_s):
                return await http.read()
        except TimeoutError as error:
            raise BodyTooSlow from error
        except web.HTTPRequestEntityTooLarge as error:
            raise BodyTooLarge from error

    def _validated(self, exchange: Exchange, operation: Operation, ctx: RequestContext) -> Request:
        query, typed_query = self._query(exchange, operation)
        body = None
        if operation.body is not None:
            validator = self._validators.body(operation, exchange.version)
            body = exchange.body
            if exchange.legacy:
                body = as_v2(validator.schema, body)
            validator.check(body)
            body = validator.typed(body)
        links = Links(
            host=self._addresses.base(exchange.http),
            version=exchange.version_segment,
            project=f"/{exchange.project}" if exchange.project else "",
            query=query,
        )
        return Request(
            self._deps,
            ctx,
            exchange.version,
            exchange.params,
            body,
            typed_query,
            links,
            owner_project_id=ctx.project_id,
            owner_user_id=ctx.user_id,
        )

    def _query(
        self, exchange: Exchange, operation: Operation
    ) -> tuple[dict[str, list[str]], dict[str, list[Any]]]:
        """The declared parameters, checked: as given, and typed."""
        query: dict[str, list[str]] = {}
        for name, value in exchange.http.rel_url.query.items():
            query.setdefault(name, []).append(value)
        validator = self._validators.query(operation, exchange.version) if query else None
        if validator is None:
            return {}, {}
        validator.check(query)
        known = known_parameters(validator, query)
        return known, validator.typed(known)


def _without_secrets(path: str) -> str:
    """What may be logged of a path."""
    for secret_below in _SECRET_BELOW:
        before, found, _ = path.partition(secret_below)
        path = f"{before}{found}***" if found else path
    return path


def _segments(rest: str) -> list[str]:
    """Decoded path segments; doubled slashes collapse, a slash at the end makes another path."""
    segments = [unquote(part) for part in rest.split("/") if part]
    return [*segments, ""] if rest.endswith("/") else segments


def _check_content_type(http: web.BaseRequest) -> None:
    given = http.headers.get("Content-Type")
    if given and given.partition(";")[0].strip().lower() not in _CONTENT_TYPES:
        raise HttpError(415, "Unsupported Content-Type")


def _decode(raw: bytes) -> Any:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("Malformed request body") from error
    if raw.count(b"[") + raw.count(b"{") > MOST_LEVELS and _levels(body) > MOST_LEVELS:
        raise InvalidInput("Malformed request body")
    return body


def _levels(body: Any) -> int:
    """How deep lists and objects stand in each other."""
    levels, inside = 0, [body]
    while inside:
        levels += 1
        inside = [
            part
            for each in inside
            if isinstance(each, dict | list)
            for part in (each.values() if isinstance(each, dict) else each)
        ]
    return levels


def _check_project(project: str | None, ctx: RequestContext) -> None:
    if project is not None and project != ctx.project_id:
        raise InvalidInput(
            f"Malformed request URL: URL's project_id '{project}' "
            f"doesn't match Context's project_id '{ctx.project_id}'"
        )
