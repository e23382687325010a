"""Muster's own login, and HTTP to the neighbours under it.

Owns: the service user's token (fetched once, kept until shortly before it expires), the addresses
from its catalog, and the rules of calling a neighbour: timeout, retry, one new login after a 401.
May not: know what any neighbour's answers mean; that is common/neighbours.
Crash story: nothing is kept but the token; a new process logs in again.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import orjson
import stamina
import structlog

from common.config.identity import AccountSettings, IdentitySettings
from common.config.settings import NeighbourSettings
from common.errors import Timeout, Unavailable
from common.runtime.ports import Clock
from common.telemetry.outages import Outages

log = structlog.get_logger(__name__)

RENEW_BEFORE_S = 60.0
"""A token is replaced this long before it expires, so that no call starts with a dying one."""
_RETRY_STATUSES = frozenset({502, 503, 504})
_PUBLIC = "public"
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})

_OTHER_TYPES = {"block-storage": ("volumev3", "volume")}
"""Older names under which a catalog may list a service."""
_VERSION_OF_URL = re.compile(r"(?<!/)/v[0-9.]+(/.*)?$")

_JSON_BOTH_WAYS = {"Accept": "application/json", "Content-Type": "application/json"}

Json = Any
Query = Mapping[str, str | list[str]]
Answer = tuple[int, Mapping[str, str], Json]
"""Status, headers, decoded body."""


class _Repeat(Exception):
    """The call failed in a way after which the same call may be made again."""

    def __init__(self, cause: Unavailable) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True)
class Login:
    """A scoped token with the catalog it came with."""

    token: str
    expires_at: dt.datetime
    endpoints: Mapping[str, str]
    """Service type to address without trailing slash."""
    public: Mapping[str, str]
    """The same for users."""


@dataclass(frozen=True)
class _Call:
    """One HTTP request; `repeatable` when doing it twice is the same as doing it once."""

    service: str
    method: str
    url: str
    repeatable: bool
    data: bytes | AsyncIterable[bytes] | None = None
    params: Query = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON_BOTH_WAYS)

    def under(self, own: str, caller: str | None = None, *, as_service: bool = False) -> _Call:
        """The call with the service user's token, or with the caller's and that one beside it."""
        tokens = {"X-Auth-Token": caller or own}
        if as_service:
            tokens["X-Service-Token"] = own
        return replace(self, headers={**self.headers, **tokens})


class ServiceSession:
    """Calls neighbours as the service user; safe to share by all tasks of a process.

    `account` is another user to be, where that one is enough. `http` is the process's one aiohttp
    client session and is not closed here.
    """

    def __init__(
        self,
        identity: IdentitySettings,
        neighbours: NeighbourSettings,
        http: aiohttp.ClientSession,
        clock: Clock,
        outages: Outages | None = None,
        *,
        account: AccountSettings | None = None,
    ) -> None:
        self._identity = identity
        self._account = account or identity
        self._neighbours = neighbours
        self._http = http
        self._clock = clock
        self._outages = outages or Outages(clock)
        self._login: Login | None = None
        self._logging_in = asyncio.Lock()
        self._identity_url = _versioned(identity.auth_url)

    async def request(
        self,
        service_type: str,
        method: str,
        path: str,
        *,
        json: Json = None,
        params: Query | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        as_service: bool = False,
    ) -> tuple[int, Json]:
        """Status and decoded body (None when there is none, text when it is not JSON).

        `service_type` is a catalog type: identity, image, network, block-storage. With `token` the
        call is made as that caller and a 401 is handed back; without, as the service user. With
        `as_service` the service user's own token goes along, which says that a service asks. Any
        HTTP status below 500 is an answer, not an error. Raises `Unavailable` or `Timeout` when no
        answer could be had; a POST is repeated only when it cannot have arrived.
        """
        status, _, body = await self.exchange(
            service_type,
            method,
            path,
            json=json,
            params=params,
            headers=headers,
            token=token,
            as_service=as_service,
        )
        return status, body

    async def exchange(
        self,
        service_type: str,
        method: str,
        path: str,
        *,
        json: Json = None,
        params: Query | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        as_service: bool = False,
    ) -> Answer:
        """As `request`, with the answer's headers."""
        login = await self.login() if as_service or not token else None
        call = _Call(
            service_type,
            method=method,
            url=await self.endpoint(service_type) + path,
            repeatable=method in _REPEATABLE,
            data=None if json is None else orjson.dumps(json),
            params=params or {},
            headers={**_JSON_BOTH_WAYS, **(headers or {}), "X-Auth-Token": token or ""},
        )
        if login is None:
            return await self._send(call)
        answer = await self._send(call.under(login.token, token, as_service=as_service))
        if answer[0] == 401:
            login = await self.login(instead_of=login)
            answer = await self._send(call.under(login.token, token, as_service=as_service))
        return answer

    async def upload(
        self, service_type: str, path: str, chunks: AsyncIterable[bytes]
    ) -> tuple[int, Json]:
        """PUT a stream as the service user. Never repeated: the stream can be read only once."""
        login = await self.login()
        url = await self.endpoint(service_type) + path
        headers = {"Content-Type": "application/octet-stream", "X-Auth-Token": login.token}
        status, _, body = await self._send(
            _Call(service_type, "PUT", url, repeatable=False, data=chunks, headers=headers)
        )
        return status, body

    async def login(self, instead_of: Login | None = None) -> Login:
        """The current login; a new one when there is none, it ends soon or it is `instead_of`."""
        login = self._login
        if login is not None and login is not instead_of and not self._ends_soon(login):
            return login
        async with self._logging_in:
            login = self._login
            if login is None or login is instead_of or self._ends_soon(login):
                login = self._login = await self._log_in()
            return login

    def _ends_soon(self, login: Login) -> bool:
        return (login.expires_at - self._clock.utcnow()).total_seconds() < RENEW_BEFORE_S

    async def _log_in(self) -> Login:
        who = self._account
        user = {
            "name": who.username,
            "domain": {"name": who.user_domain_name},
            "password": who.password.get_secret_value(),
        }
        project = {"name": who.project_name, "domain": {"name": who.project_domain_name}}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": project},
            }
        }
        url = f"{self._identity_url}/auth/tokens"
        # A login changes nothing, so unlike other POSTs it may be repeated.
        call = _Call("identity", "POST", url, repeatable=True, data=orjson.dumps(body))
        status, headers, answer = await self._send(call)
        if status != 201:
            raise self._away(
                "login",
                f"identity service refused the login of {who.username!r} with {status}; "
                f"check MUSTER_{who.SECTION}__USERNAME, __PASSWORD and __PROJECT_NAME",
            )
        self._outages.back("login")
        token = answer["token"]
        log.info("logged_in", user=who.username, expires_at=token["expires_at"])
        return Login(
            token=headers["X-Subject-Token"],
            expires_at=dt.datetime.fromisoformat(token["expires_at"]),
            endpoints=self._endpoints(token.get("catalog", []), self._identity.interface),
            public=self._endpoints(token.get("catalog", []), _PUBLIC),
        )

    def _endpoints(self, catalog: list[dict[str, Any]], interface: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for service in catalog:
            offers = {
                endpoint["interface"]: endpoint["url"]
                for endpoint in service["endpoints"]
                if endpoint.get("region") in {None, self._identity.region}
            }
            url = offers.get(interface) or offers.get(_PUBLIC)
            if url:
                # Callers name the version in their paths; what follows it is a project.
                found.setdefault(service["type"], _VERSION_OF_URL.sub("", url.rstrip("/")))
        return found

    async def endpoint(self, service_type: str) -> str:
        """The address of a neighbour, without trailing slash; settings win over the catalog."""
        configured = {
            "identity": self._identity_url.removesuffix("/v3"),
            "image": self._neighbours.image_endpoint,
            "network": self._neighbours.network_endpoint,
            "block-storage": self._neighbours.volume_endpoint,
        }.get(service_type)
        if configured:
            return configured.rstrip("/")
        endpoints = (await self.login()).endpoints
        names = (service_type, *_OTHER_TYPES.get(service_type, ()))
        url = next((endpoints[name] for name in names if name in endpoints), None)
        if url is None:
            raise self._away(
                service_type,
                f"the identity catalog has no {service_type!r} endpoint "
                f"in region {self._identity.region!r}",
            )
        return url

    async def public_endpoint(self, service_type: str) -> str:
        """The address that users have of a neighbour; ours may be one inside the cloud."""
        url = (await self.login()).public.get(service_type)
        return url or await self.endpoint(service_type)

    def _away(self, what: str, reason: str) -> Unavailable:
        self._outages.away(what, reason)
        return Unavailable(_excuse(what), reason=reason)

    async def _send(self, call: _Call) -> Answer:
        """Raises `Unavailable`; that a neighbour is away is said once, not per call."""
        try:
            answer = await self._send_repeatedly(call)
        except Unavailable as error:
            self._outages.away(call.service, error.reason)
            raise
        self._outages.back(call.service)
        return answer

    async def _send_repeatedly(self, call: _Call) -> Answer:
        """Send until there is an answer, at most `neighbours.attempts` times."""
        try:
            async for attempt in stamina.retry_context(
                on=_Repeat, attempts=self._neighbours.attempts, wait_initial=0.1, wait_max=2.0
            ):
                with attempt:
                    return await self._send_once(call)
        except _Repeat as last:
            raise last.cause from last
        raise AssertionError("unreachable: at least one attempt is made")

    async def _send_once(self, call: _Call) -> Answer:
        name, excuse = f"{call.method} {call.url}", _excuse(call.service)
        try:
            async with self._http.request(
                call.method,
                call.url,
                data=call.data,
                params=[(k, v) for k, vs in call.params.items() for v in _values(vs)],
                headers=call.headers,
                timeout=aiohttp.ClientTimeout(total=self._neighbours.timeout_s),
            ) as response:
                body = await response.read()
        except aiohttp.ClientConnectorError as error:
            raise _Repeat(Unavailable(excuse, reason=f"{name}: {error}")) from error
        except TimeoutError as error:
            late = f"{name}: no answer in {self._neighbours.timeout_s:g} s"
            failure = Timeout(excuse, reason=late)
            raise (_Repeat(failure) if call.repeatable else failure) from error
        except aiohttp.ClientError as error:
            lost = Unavailable(excuse, reason=f"{name}: {error!r}")
            again = call.repeatable or (_unsent(error) and isinstance(call.data, bytes))
            raise (_Repeat(lost) if again else lost) from error
        if response.status >= 500:
            broken = Unavailable(excuse, reason=f"{name}: answered {response.status}")
            again = call.repeatable and response.status in _RETRY_STATUSES
            raise _Repeat(broken) if again else broken
        return response.status, response.headers, _decode(body)


def _unsent(error: aiohttp.ClientError) -> bool:
    """Whether the neighbour had closed a kept connection before the body was written to it.

    Servers end connections after a while, or after each answer, and need not say so before.
    """
    return isinstance(error.__cause__, aiohttp.ClientConnectionResetError)


def _excuse(service: str) -> str:
    """What callers are told."""
    name = "identity" if service == "login" else service
    return f"The {name} service is temporarily unavailable. Please try again later."


def _values(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _decode(body: bytes) -> Json:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _versioned(auth_url: str) -> str:
    """The v3 address of the identity service, whether or not the setting names the version."""
    url = auth_url.rstrip("/")
    return url if url.endswith("/v3") else f"{url}/v3"
