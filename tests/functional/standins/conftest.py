"""The stand-ins' server in the test's own loop, and a client that speaks for several users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from common.bus.memory import MemoryBroker, MemoryBus
from common.config.settings import Settings
from common.runtime.ports import Clock, Ports
from services.standins.app import Standins, create


@dataclass
class Answer:
    status: int
    headers: Any
    body: Any

    def want(self, status: int) -> Any:
        """The body, if the status is the expected one."""
        assert self.status == status, f"{self.status} instead of {status}: {self.body!r}"
        return self.body


@dataclass
class Cloud:
    """One server over one state directory; `restart()` keeps the directory."""

    state_dir: Path
    overrides: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.tokens: dict[str, str] = {}

    async def start(self) -> None:
        values = {"listen_port": 0, "state_dir": self.state_dir, **self.overrides}
        settings = Settings(standins=values)
        ports = Ports(bus=MemoryBus(MemoryBroker()), clock=self.clock)
        self.service: Standins = create(settings, ports)
        await self.service.start()
        self.url = f"http://127.0.0.1:{self.service.port}"
        self.session = aiohttp.ClientSession()

    async def stop(self) -> None:
        await self.session.close()
        await self.service.stop()

    async def restart(self, *, abruptly: bool = False) -> None:
        await self.session.close()
        await (self.service.crash() if abruptly else self.service.stop())
        await self.start()

    async def call(
        self, method: str, path: str, json: Any = None, *, user: str | None = "admin", **kwargs: Any
    ) -> Answer:
        """One request; `user` is a name that `login` has seen, or None for no token."""
        headers = dict(kwargs.pop("headers", {}))
        if user is not None:
            headers["X-Auth-Token"] = self.tokens.get(user) or await self.login(user)
        if json is not None:
            kwargs["json"] = json
        async with self.session.request(
            method, self.url + path, headers=headers, allow_redirects=False, **kwargs
        ) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json" and raw
            return Answer(
                response.status, response.headers, await response.json() if is_json else raw
            )

    async def login(
        self, user: str, password: str | None = None, project: str | None = None
    ) -> str:
        """Log in and remember the token; project and password are the user's name by default."""
        body = password_login(user, password or user, {"name": project or user})
        answer = await self.call("POST", "/identity/v3/auth/tokens", body, user=None)
        answer.want(201)
        self.tokens[user] = answer.headers["X-Subject-Token"]
        return self.tokens[user]

    async def new_user(self, name: str, role: str = "member") -> str:
        """A project and a user of the same name; returns the project's id."""
        project = (
            await self.call("POST", "/identity/v3/projects", {"project": {"name": name}})
        ).want(201)["project"]["id"]
        user_body = {"user": {"name": name, "password": name}}
        user = (await self.call("POST", "/identity/v3/users", user_body)).want(201)["user"]["id"]
        roles = (await self.call("GET", f"/identity/v3/roles?name={role}")).want(200)["roles"]
        grant = f"/identity/v3/projects/{project}/users/{user}/roles/{roles[0]['id']}"
        (await self.call("PUT", grant)).want(204)
        await self.login(name)
        return str(project)


def password_login(user: str, password: str, project: dict[str, Any] | None) -> dict[str, Any]:
    """Body of a login; `project` without a domain is in Default, None is no scope."""
    who = {"name": user, "domain": {"name": "Default"}, "password": password}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": who}}}
    if project is not None:
        auth["scope"] = {"project": {"domain": {"id": "default"}, **project}}
    return {"auth": auth}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    started = Cloud(tmp_path / "state")
    await started.start()
    yield started
    await started.stop()
