"""From an HTTP request to a handler and back, the same way for every stand-in.

Owns: reading and limiting JSON bodies, the token check, the transaction around a handler, turning
a `Fault` into the service's own error envelope, request ids.
May not: know a resource.

Handlers are plain functions: the body is read before and the answer is sent after, so a handler
never awaits and its changes are one transaction. The few that stream bytes are `Route.stream`.

Crash story: nothing is held between requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

import orjson
import structlog
from aiohttp import web
from multidict import MultiMapping
from pydantic import BaseModel, ConfigDict, ValidationError

from common.auth.roles import IMAGE_UPLOADER
from common.runtime.ports import Ids
from services.standins.store import Doc, Store

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 1 << 20
"""Largest JSON body. A bulk create of a thousand ports is about 200 KiB."""


class Fault(Exception):
    """A refusal with its HTTP status; `kind` is the error's name where the service has names."""

    def __init__(self, status: int, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.headers: Mapping[str, str] = {}
        """Sent with the refusal."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a valid token speaks for, and where."""

    user_id: str = ""
    user_domain_id: str = ""
    project_id: str = ""
    """Empty for tokens that are not scoped to a project."""
    domain_id: str = ""
    system: bool = False
    roles: frozenset[str] = frozenset()

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def is_host(self) -> bool:
        """A user of hosts, which is there for one thing."""
        return IMAGE_UPLOADER in self.roles

    @property
    def has_a_say(self) -> bool:
        """Holds a role here that is good for more than that one thing."""
        return not self.roles <= {IMAGE_UPLOADER}


NOBODY = Caller()

Authenticate = Callable[[str | None], Awaitable[Caller]]
"""Token text to caller; raises Fault 401."""


@dataclass(slots=True)
class Call:
    """One request, read and authenticated."""

    request: web.Request
    caller: Caller
    base_url: str
    """Scheme and authority by which the client reached us, e.g. `http://127.0.0.1:5000`."""
    body: Doc = field(default_factory=dict)
    service: Caller = NOBODY
    """Whom the `X-Service-Token` speaks for, which a service sends beside its user's token."""
    known: Any = None
    """What the route's `ask` found out."""

    @property
    def query(self) -> MultiMapping[str]:
        return self.request.query

    def param(self, name: str) -> str:
        """A variable of the path."""
        return self.request.match_info[name]

    def require_admin(self, action: str) -> None:
        if not self.caller.is_admin:
            raise Fault(403, f"You are not authorized to perform the requested action: {action}.")


@dataclass(slots=True)
class Reply:
    status: int = 200
    body: Any = None
    """A JSON document, ready bytes, or None for no body."""
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    """Below the stand-in's prefix, in aiohttp's notation."""
    handler: Callable[[Call], Reply] | None = None
    ask: Callable[[Call], Awaitable[Any]] | None = None
    """Asked before `handler`, outside of the transaction; may wait for other services."""
    stream: Callable[[Call], Awaitable[web.StreamResponse]] | None = None
    """Instead of `handler`: reads or writes raw bytes, and opens its own transactions."""
    public: bool = False
    """Answers without a token."""
    for_hosts: bool = False
    """Answers hosts, too; the handler says which of them may do what."""
    raw_list: bool = False
    """The body is a JSON list (json-patch); the handler finds it under `list`."""


class StandIn(Protocol):
    """What the server needs from each service it carries."""

    prefix: str
    """Path of the service, e.g. `/identity`."""
    store: Store
    """Its own: no stand-in sees another's documents."""
    needs_role: bool
    """A caller must hold a role on what its token is for: a project, say."""

    def routes(self) -> Iterable[Route]: ...

    def seed(self) -> None:
        """Create what a fresh cloud has; idempotent; inside a transaction."""

    def fault(self, fault: Fault) -> tuple[bytes, str]:
        """Body and content type of an error, as this service words it."""


def mount(
    app: web.Application,
    stand_in: StandIn,
    authenticate: Authenticate,
    ids: Ids,
) -> None:
    """Add a stand-in's routes, and an answer in its own envelope for every other path below."""

    def not_found(call: Call) -> Reply:
        raise Fault(404, f"The resource {call.request.path} could not be found.", "HTTPNotFound")

    unknown = [Route("*", path, not_found, public=True) for path in ("", "/{tail:.*}")]
    for route in [*stand_in.routes(), *unknown]:
        serve = _serve(route, stand_in, authenticate, ids)
        app.router.add_route(route.method, stand_in.prefix + route.path, serve)


def _serve(
    route: Route,
    stand_in: StandIn,
    authenticate: Authenticate,
    ids: Ids,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        base_url = f"{request.scheme}://{request.host}"
        try:
            caller = NOBODY
            if not route.public:
                caller = await authenticate(request.headers.get("X-Auth-Token"))
                if stand_in.needs_role:
                    _check_role(route, caller)
            call = Call(request, caller, base_url)
            if not route.public and (own := request.headers.get("X-Service-Token")):
                call.service = await authenticate(own)
            if route.stream is not None:
                return await route.stream(call)
            if request.body_exists:
                call.body = await _read_json(request, as_list=route.raw_list)
            if route.ask is not None:
                call.known = await route.ask(call)
            with stand_in.store.transaction():
                reply = route.handler(call)  # type: ignore[misc] # one of the two is set
        except Fault as fault:
            reply = _refusal(stand_in, fault, base_url)
        except web.HTTPException:
            raise
        except Exception as error:
            log.exception("standin_request_failed", path=request.path, error=repr(error))
            reply = _refusal(
                stand_in, Fault(500, "An unexpected error happened.", "HTTPError"), base_url
            )
        return _response(reply, ids)

    return serve


def _check_role(route: Route, caller: Caller) -> None:
    if not (caller.has_a_say or (route.for_hosts and caller.is_host)):
        raise Fault(403, "You are not authorized to perform the requested action.", "Forbidden")


def _response(reply: Reply, ids: Ids) -> web.Response:
    body = reply.body
    headers = {"X-Openstack-Request-Id": ids.request_id()}
    if body is not None:
        headers["Content-Type"] = "application/json"
        if not isinstance(body, bytes):
            body = orjson.dumps(body)
    if reply.headers:
        headers.update(reply.headers)
    return web.Response(status=reply.status, body=body, headers=headers)


def _refusal(stand_in: StandIn, fault: Fault, base_url: str) -> Reply:
    body, content_type = stand_in.fault(fault)
    headers = {"Content-Type": content_type, **fault.headers}
    if fault.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = f'Keystone uri="{base_url}/identity"'
    return Reply(fault.status, body, headers)


async def _read_json(request: web.Request, *, as_list: bool) -> Doc:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise Fault(413, f"The request body is larger than {MAX_BODY_BYTES} bytes.")
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise Fault(413, f"The request body is larger than {MAX_BODY_BYTES} bytes.") from error
    if not raw:
        return {}
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Fault(
            400, f"The request body is not valid JSON: {error}.", "HTTPBadRequest"
        ) from error
    if as_list:
        document = {"list": document}
    if not isinstance(document, dict):
        raise Fault(400, "The request body must be a JSON object.", "HTTPBadRequest")
    return document


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused by name, numbers are not text."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)


class OpenBody(Body):
    """A body that keeps fields it does not know, as the identity service does."""

    model_config = ConfigDict(extra="allow")


B = TypeVar("B", bound=BaseModel)


def parse(model: type[B], body: Doc, envelope: str) -> B:
    """`body[envelope]` as `model`, or a Fault 400 that names the first bad field."""
    inner = body.get(envelope)
    if not isinstance(inner, dict):
        raise Fault(
            400, f"The body must be an object with an object '{envelope}'.", "HTTPBadRequest"
        )
    return parse_inner(model, inner)


def parse_inner(model: type[B], inner: object) -> B:
    try:
        return model.model_validate(inner)
    except ValidationError as error:
        raise Fault(400, _first_problem(error), "HTTPBadRequest") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "body"
    if problem["type"] == "missing":
        return f"Failed to parse request. Required attribute '{where}' not specified"
    if problem["type"] == "extra_forbidden":
        return f"Unrecognized attribute(s) '{where}'"
    return f"Invalid input for {where}: {problem['msg']}"


def parse_changes(model: type[BaseModel], body: Doc, envelope: str, old: Doc) -> Doc:
    """The checked fields of an update: what the caller sent, in the company of what stays.

    One model serves create and update; a field that a create requires is there from the old
    document.
    """
    inner = body.get(envelope)
    if not isinstance(inner, dict):
        raise Fault(
            400, f"The body must be an object with an object '{envelope}'.", "HTTPBadRequest"
        )
    known = {name for name in _wire_names(model) if name in old}
    whole = parse_inner(model, {**{name: old[name] for name in known}, **inner})
    return {name: value for name, value in complete(whole).items() if name in inner}


def _wire_names(model: type[BaseModel]) -> Iterable[str]:
    return (info.alias or name for name, info in model.model_fields.items())


def given(model: BaseModel) -> Doc:
    """The fields the caller sent, by their names on the wire."""
    return model.model_dump(by_alias=True, exclude_unset=True)


def complete(model: BaseModel) -> Doc:
    """All fields, by their names on the wire; defaults where the caller sent nothing."""
    return model.model_dump(by_alias=True)
