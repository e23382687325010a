"""From the address a user was given to the guest's console, through the proxy, over WebSocket."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from services.compute.drivers.simulated import SimulatedDriver
from tests.functional.consoles.conftest import Consoles
from tests.support import spice
from tests.support.spice import SpiceClient
from tests.support.wait import wait_for


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {
        "consoles": {
            "max_connections_per_server": 3,
            "allowed_origins": ["https://cloud.example"],
        }
    }


async def read_until(socket: aiohttp.ClientWebSocketResponse, text: str) -> str:
    got = ""
    async with asyncio.timeout(5):
        while text not in got:
            got += (await socket.receive_bytes()).decode()
    return got


async def closed(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """The code with which the proxy hangs up."""
    async with asyncio.timeout(5):
        async for _ in socket:
            pass
    return socket.close_code


async def test_vnc(consoles: Consoles, server_id: str) -> None:
    async with consoles.screen(await consoles.url(server_id)) as screen:
        assert screen.name == "web-1"
        await screen.until("web-1 login: _")
        assert server_id in screen.text()
        await screen.type("root\nx\n")
        await screen.until("login: root\nPassword:\n\nLogin incorrect\nweb-1 login: _")


async def test_serial(consoles: Consoles, server_id: str) -> None:
    url = await consoles.url(server_id, "serial", "serial")
    async with consoles.opened(url) as socket:
        assert socket.protocol == "binary"
        assert await read_until(socket, "login: ") == "web-1 login: "
        await socket.send_bytes(b"who")
        assert await read_until(socket, "who") == "who"
        await socket.send_str("\x15")
        assert await read_until(socket, "\b \b\b \b\b \b")


async def test_spice_bytes_are_carried(consoles: Consoles, server_id: str) -> None:
    url = await consoles.url(server_id, "spice", "spice-html5")
    token = url.partition("token=")[2]
    address = url.removeprefix("http://").partition("/")[0]
    # The way spice-html5 goes: the token in a cookie.
    async with consoles.cluster.http.ws_connect(
        f"ws://{address}/websockify", headers={"Cookie": f"token={token}"}
    ) as socket:
        body = struct.pack("<IBBIIII", 0, spice.MAIN, 0, 1, 0, 18, 0b1011)
        await socket.send_bytes(struct.pack("<4sIII", b"REDQ", 2, 2, len(body)) + body)
        answer = await socket.receive_bytes()
        assert answer[:4] == b"REDQ"
        assert struct.unpack_from("<I", answer, 16) == (spice.OK,)


async def test_native_spice_shows_its_token_to_the_guest(
    consoles: Consoles, server_id: str
) -> None:
    token = (await consoles.url(server_id, "spice", "spice-direct"))[-36:]
    _, body = await consoles.cluster.request(
        "GET", f"/os-console-auth-tokens/{token}", version="2.99"
    )
    place = body["console"]
    for password, answer in ((token, spice.OK), ("", spice.DENIED)):
        reader, writer = await asyncio.open_connection(place["host"], place["port"])
        client = SpiceClient(reader, writer)
        assert await client.link() == spice.OK
        assert await client.authenticate(password) == answer
        writer.close()
    proxy = consoles.cluster.members["consoles"].service
    assert await consoles.status_of(f"ws://127.0.0.1:{proxy.port}/?token={token}") == 403


async def test_a_wrong_token_is_answered_before_the_websocket_is_one(
    consoles: Consoles, server_id: str
) -> None:
    url = await consoles.url(server_id)
    for wrong in (url.replace("token%3D", "token%3Dbad"), url[:-36], url[:-1]):
        assert await consoles.status_of(wrong) == 403
    plain = consoles.websocket_url(url).replace("ws:", "http:")
    async with consoles.cluster.http.get(plain) as answer:
        assert answer.status == 404
        assert await answer.read() == b""
    assert await consoles.status_of(url) == 101


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://127.0.0.1:{port}", 101),
        ("https://cloud.example", 101),
        ("http://cloud.example", 403),
        ("http://127.0.0.1", 403),
        ("http://evil.example", 403),
        ("null", 403),
    ],
)
async def test_origins(consoles: Consoles, server_id: str, origin: str | None, status: int) -> None:
    port = consoles.cluster.members["consoles"].service.port
    headers = {"Origin": origin.format(port=port)} if origin else {}
    assert await consoles.status_of(await consoles.url(server_id), **headers) == status


async def test_one_server_has_only_so_many_consoles(consoles: Consoles, server_id: str) -> None:
    url = await consoles.url(server_id)
    async with consoles.screen(url), consoles.screen(url), consoles.screen(url):
        assert await consoles.status_of(url) == 503

    async def opens_again() -> bool:
        return await consoles.status_of(url) == 101

    await wait_for(opens_again)


async def test_nothing_secret_is_logged(consoles: Consoles, server_id: str) -> None:
    with capture_logs() as logs:
        url = await consoles.url(server_id)
        async with consoles.screen(url) as screen:
            await screen.until("login: _")
        assert await consoles.status_of(url.replace("token%3D", "token%3Dbad")) == 403
        token = url[-36:]
        await consoles.cluster.request("GET", f"/os-console-auth-tokens/{token}")
        await wait_for(lambda: _logged(logs, "console_closed"))
    assert _logged(logs, "console_opened")
    assert _logged(logs, "console_refused")
    assert token not in json.dumps(logs, default=repr)


def _logged(logs: Any, event: str) -> bool:
    return any(entry["event"] == event for entry in logs)


@pytest.mark.parametrize("ending", ["rebuild", "cold move", "delete"])
async def test_a_token_and_its_console_end_with_the_guest(consoles: Consoles, ending: str) -> None:
    cluster = consoles.cluster
    server_id = await cluster.create_server()
    await cluster.settled(server_id)
    url = await consoles.url(server_id)
    async with consoles.opened(url) as socket:
        match ending:
            case "rebuild":
                image = await cluster.image_id()
                await cluster.action(server_id, {"rebuild": {"imageRef": image}})
            case "cold move":
                await cluster.action(server_id, {"migrate": None})
            case "delete":
                assert (await cluster.request("DELETE", f"/servers/{server_id}"))[0] == 204
        assert await closed(socket) == aiohttp.WSCloseCode.OK
    await cluster.settled(server_id)
    assert await consoles.status_of(url) == 403
    if ending != "delete":
        async with consoles.screen(await consoles.url(server_id)) as screen:
            await screen.until("login: _" if ending == "rebuild" else "running on a new host_")
        await cluster.request("DELETE", f"/servers/{server_id}")


async def test_a_token_ends_with_its_time(consoles: Consoles, server_id: str) -> None:
    url = await consoles.url(server_id)
    async with consoles.opened(url) as socket:
        await consoles.cluster.pool.execute("update console_tokens set expires_at = now()")
        assert await consoles.status_of(url) == 403
        await socket.send_bytes(b"RFB 003.008\n")
        assert await socket.receive_bytes(), "what is open stays open"


async def test_a_database_that_does_not_answer(consoles: Consoles, server_id: str) -> None:
    url, pool = await consoles.url(server_id), consoles.cluster.pool
    await pool.execute("alter table console_tokens rename to lost")
    try:
        assert await consoles.status_of(url) == 503
    finally:
        await pool.execute("alter table lost rename to console_tokens")
    assert await consoles.status_of(url) == 101


async def test_a_host_that_does_not_answer(consoles: Consoles, server_id: str) -> None:
    row = await consoles.cluster.row(server_id)
    driver = consoles.cluster.members[row["host"]].service.agents[row["host"]].driver
    assert isinstance(driver, SimulatedDriver)
    url = await consoles.url(server_id)
    original = driver.open_console
    try:
        driver.open_console = None  # type: ignore[method-assign,assignment]
        assert await consoles.status_of(url) == 503
    finally:
        driver.open_console = original  # type: ignore[method-assign]
    assert await consoles.status_of(url) == 101


class TestLives:
    """The proxy's own end."""

    async def test_a_stopped_proxy_hangs_up_and_another_serves_the_same_token(
        self, consoles: Consoles, server_id: str
    ) -> None:
        url = await consoles.url(server_id)
        async with consoles.opened(url) as socket:
            hung_up = asyncio.create_task(closed(socket))
            await consoles.cluster.stop_member("consoles")
            assert await hung_up == aiohttp.WSCloseCode.GOING_AWAY
        await consoles.cluster.start_consoles()
        assert await consoles.status_of(url) == 101

    async def test_a_killed_proxy_says_nothing(self, consoles: Consoles, server_id: str) -> None:
        url = await consoles.url(server_id)
        async with consoles.opened(url) as socket:
            await consoles.cluster.kill("consoles")
            assert await closed(socket) == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        await consoles.cluster.start_consoles()
        assert await consoles.status_of(url) == 101

    async def test_idle_consoles_are_closed(self, consoles: Consoles, server_id: str) -> None:
        await consoles.cluster.stop_member("consoles")
        await consoles.cluster.start_consoles(idle_timeout_s=0.2)
        async with consoles.opened(await consoles.url(server_id)) as socket:
            assert await closed(socket) == aiohttp.WSCloseCode.GOING_AWAY
        await consoles.cluster.stop_member("consoles")
        await consoles.cluster.start_consoles()
