"""An asynchronous client of a local cluster's APIs, cheap enough to share two cores with it.

Owns: one login, one keep-alive connection pool, requests with the time each took.
May not: retry; what a lost answer means depends on what was asked. May not talk to other machines
unless it is told to: load is for clusters of one's own.
Crash story: holds a token and open connections, nothing else.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import orjson

from common.runtime.ports import Clock
from deploy.local.home import Home, LocalClusterError

MICROVERSION = "2.94"
"""The last one in which an evacuated server runs at once; later ones leave it stopped."""
VERSIONS = f"compute {MICROVERSION}, volume 3.54"
REQUEST_TIMEOUT_S = 30.0


class Unreachable(Exception):
    """No answer: the request may or may not have been carried out."""


@dataclass(frozen=True)
class Answer:
    """One response; `body` is decoded JSON, or None when there was none."""

    status: int
    body: Any
    elapsed_s: float

    @property
    def reason(self) -> str:
        """What an error answer says, shortened to the words that tell kinds apart."""
        if isinstance(self.body, dict):
            for error in self.body.values():
                if isinstance(error, dict) and "message" in error:
                    return str(error["message"])
        return ""


class Refused(LocalClusterError):
    """The API answered with an error where none was expected."""

    def __init__(self, method: str, path: str, answer: Answer) -> None:
        super().__init__(f"{method} {path}: {answer.status} {answer.reason}".strip())
        self.answer = answer


def is_local(url: str) -> bool:
    """Whether `url` names this machine's loopback."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Client:
    """`async with Client(home) as client`: logged in as one user of the cluster's clouds.yaml."""

    def __init__(
        self,
        home: Home,
        *,
        user: str = "admin",
        connections: int = 100,
        other_machines: bool = False,
        clock: Clock | None = None,
    ) -> None:
        try:
            auth = json.loads(home.clouds_file.read_text())["clouds"][user]["auth"]
        except (OSError, ValueError, KeyError) as error:
            raise LocalClusterError(
                f"no credentials for {user!r} in {home.clouds_file}; start a cluster: ./muster up"
            ) from error
        self.clock = clock or Clock()
        self._auth: dict[str, str] = auth
        self._connections = connections
        self._other_machines = other_machines
        self._endpoints: dict[str, str] = {}
        self.project_id = ""
        self.token = ""
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._check_target(self._auth["auth_url"])
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
        )
        try:
            await self._log_in()
        except BaseException:
            await self._http.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    def _check_target(self, url: str) -> None:
        if not (self._other_machines or is_local(url)):
            raise LocalClusterError(
                f"{url} is not on this machine; load is for clusters of your own "
                "(--other-machines if this is one)"
            )

    async def _log_in(self) -> None:
        auth, domain = self._auth, {"name": "Default"}
        user = {"name": auth["username"], "domain": domain, "password": auth["password"]}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": auth["project_name"], "domain": domain}},
            }
        }
        url = f"{auth['auth_url']}/v3/auth/tokens"
        try:
            async with self._http.post(url, json=body) as response:
                answer = Answer(response.status, await response.json(), 0.0)
                token = response.headers.get("X-Subject-Token")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise LocalClusterError(f"cannot log in at {url}: {error!r}") from error
        if answer.status != 201 or token is None:
            raise Refused("POST", url, answer)
        self.project_id = str(answer.body["token"]["project"]["id"])
        for service in answer.body["token"]["catalog"]:
            for endpoint in service["endpoints"]:
                if endpoint["interface"] == "public":
                    self._check_target(endpoint["url"])
                    self._endpoints[service["type"]] = endpoint["url"].rstrip("/")
        self.token = token
        self._http.headers.update({"X-Auth-Token": token, "OpenStack-API-Version": VERSIONS})

    @property
    def services(self) -> set[str]:
        """Types of the services in the catalog."""
        return set(self._endpoints)

    def endpoint(self, service: str) -> str:
        """Its public address."""
        return self._endpoints[service]

    async def request(
        self, method: str, path: str, body: Any = None, *, service: str = "compute"
    ) -> Answer:
        """One request, once; raises `Unreachable` when there is no answer."""
        began = self.clock.monotonic()
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"} if data is not None else None
        try:
            async with self._http.request(
                method, self._endpoints[service] + path, data=data, headers=headers
            ) as response:
                text = await response.read()
                decoded = orjson.loads(text) if text else None
                return Answer(response.status, decoded, self.clock.monotonic() - began)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"{method} {path}: {error!r}") from error

    async def get(self, path: str, *, service: str = "compute") -> Any:
        """Body of a GET that has to succeed; raises `Refused` or `Unreachable`."""
        return await self.must("GET", path, service=service)

    async def must(
        self, method: str, path: str, body: Any = None, *, service: str = "compute"
    ) -> Any:
        """Body of a request that has to succeed; raises `Refused` or `Unreachable`."""
        answer = await self.request(method, path, body, service=service)
        if answer.status >= 400:
            raise Refused(method, path, answer)
        return answer.body

    async def server_list(self, query: str, *, detail: bool = False) -> list[dict[str, Any]]:
        """Every server that matches `query` (without a question mark), page by page."""
        path = "/servers/detail" if detail else "/servers"
        found: list[dict[str, Any]] = []
        marker = ""
        while True:
            page = await self.get(f"{path}?{query}{marker}")
            found += page["servers"]
            if not page["servers"] or "servers_links" not in page:
                return found
            marker = f"&marker={found[-1]['id']}"
