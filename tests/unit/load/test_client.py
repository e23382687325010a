"""The load client keeps to this machine, and the retrying one makes no server twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from deploy.chaos.retrying_client import RetryingClient
from deploy.load.client import Answer, Client, is_local
from deploy.local.home import Home, LocalClusterError


def home_for(path: Path, auth_url: str) -> Home:
    auth = {"auth_url": auth_url, "username": "admin", "password": "p", "project_name": "admin"}
    home = Home(path)
    home.clouds_file.write_text(json.dumps({"clouds": {"admin": {"auth": auth}}}))
    return home


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:5000/identity", True),
        ("http://localhost/identity", True),
        ("http://[::1]:5000/identity", True),
        ("http://192.0.2.1:5000/identity", False),
        ("https://cloud.example.org/identity", False),
        ("http://localhost.example.org/identity", False),
    ],
)
def test_only_loopback_is_local(url: str, local: bool) -> None:
    assert is_local(url) is local


async def test_load_on_another_machine_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    home = home_for(tmp_path, "http://192.0.2.1:5000/identity")
    with pytest.raises(LocalClusterError, match=r"not on this machine.*--other-machines"):
        async with Client(home):
            pass


async def test_an_endpoint_on_another_machine_is_refused_too(tmp_path: Path) -> None:
    async with api({}, compute_url="http://192.0.2.1:8774/v2.1") as url:
        with pytest.raises(LocalClusterError, match=r"192\.0\.2\.1:8774.*not on this machine"):
            async with Client(home_for(tmp_path, url)):
                pass


async def test_no_cluster_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(LocalClusterError, match="muster up"):
        Client(Home(tmp_path))


def test_the_reason_of_an_error_is_its_message() -> None:
    assert Answer(403, {"forbidden": {"code": 403, "message": "Quota"}}, 0.0).reason == "Quota"
    assert Answer(503, None, 0.0).reason == ""


@asynccontextmanager
async def api(
    servers: dict[str, str], *, trouble: list[str] | None = None, compute_url: str | None = None
) -> AsyncIterator[str]:
    """A few lines of an API that loses answers: `trouble` has, for each POST to come, "before" or
    "after" the server is made, or an error status. Yields the URL to log in at."""
    coming = trouble or []

    async def log_in(request: web.Request) -> web.Response:
        compute = compute_url or f"http://{request.host}/v2.1"
        endpoints = [{"interface": "public", "url": compute}]
        token = {
            "project": {"id": "p1"},
            "catalog": [{"type": "compute", "endpoints": endpoints}],
        }
        return web.json_response({"token": token}, status=201, headers={"X-Subject-Token": "t"})

    async def create(request: web.Request) -> web.Response:
        name = (await request.json())["server"]["name"]
        what = coming.pop(0) if coming else ""
        assert request.transport is not None
        if what == "before":
            request.transport.abort()
        elif what.isdigit():
            return web.json_response({"e": {"message": "later"}}, status=int(what))
        server_id = f"id-{len(servers)}"
        if what != "before":
            servers[server_id] = name
        if what == "after":
            request.transport.abort()
        return web.json_response({"server": {"id": server_id}}, status=202)

    async def index(request: web.Request) -> web.Response:
        wanted = request.query["name"].strip("^$")
        found: list[dict[str, Any]] = [{"id": i} for i, n in servers.items() if n == wanted]
        return web.json_response({"servers": found})

    app = web.Application()
    app.router.add_post("/identity/v3/auth/tokens", log_in)
    app.router.add_post("/v2.1/servers", create)
    app.router.add_get("/v2.1/servers", index)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/identity"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("trouble", "counted"),
    [
        ([], {}),
        (["before"], {"POST without an answer": 1, "POST sent again": 1}),
        (
            ["after"],
            {"POST without an answer": 1, "POST whose server was there after all": 1},
        ),
        (["503", "before"], {"POST answered 503 later": 1, "POST without an answer": 1}),
    ],
)
async def test_a_server_is_made_once_whatever_happens_to_the_answer(
    tmp_path: Path, trouble: list[str], counted: dict[str, int]
) -> None:
    servers: dict[str, str] = {}
    async with (
        api(servers, trouble=list(trouble)) as url,
        Client(home_for(tmp_path, url)) as client,
    ):
        retrying = RetryingClient(client)
        made, answer = await retrying.create({"name": "s-1"})
    assert servers == {made: "s-1"}
    assert answer.status in (200, 202)
    assert counted.items() <= retrying.retried.items()


async def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    async with api({}, trouble=["403"]) as url, Client(home_for(tmp_path, url)) as client:
        retrying = RetryingClient(client)
        made, answer = await retrying.create({"name": "s-1"})
    assert (made, answer.status, answer.reason) == (None, 403, "later")
    assert not retrying.retried
