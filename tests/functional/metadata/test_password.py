"""The password that a guest reports about itself: once, and for its user to read."""

from __future__ import annotations

import asyncio

import pytest

from services.metadata import requests
from tests.functional.metadata.conftest import World

PATH = "/openstack/latest/password"
REPORTED = "xlozO3wLCBRWAa2yDjCC=="


async def shown(world: World, server_id: str) -> str:
    _, body = await world.cluster.request("GET", f"/servers/{server_id}/os-server-password")
    return str(body["password"])


async def test_once(world: World) -> None:
    server_id = await world.created()
    assert (await world.as_guest(server_id, PATH)).body == b""
    answer = await world.as_guest(server_id, PATH, method="POST", body=REPORTED)
    assert (answer.status, answer.body) == (200, b"")
    assert await shown(world, server_id) == REPORTED
    assert (await world.as_guest(server_id, PATH)).text == REPORTED
    answer = await world.as_guest(server_id, PATH, method="POST", body="another")
    assert answer.status == 409
    assert await shown(world, server_id) == REPORTED


async def test_cleared_by_the_user_and_by_a_rebuild(world: World) -> None:
    cluster, server_id = world.cluster, await world.created()
    await world.as_guest(server_id, PATH, method="POST", body=REPORTED)
    status, _ = await cluster.request("DELETE", f"/servers/{server_id}/os-server-password")
    assert (status, await shown(world, server_id)) == (204, "")
    assert (await world.as_guest(server_id, PATH, method="POST", body="2")).status == 200
    await cluster.action(server_id, {"rebuild": {"imageRef": await cluster.image_id()}})
    await cluster.settled(server_id)
    assert await shown(world, server_id) == ""
    assert (await world.as_guest(server_id, PATH, method="POST", body="3")).status == 200
    assert await shown(world, server_id) == "3"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"a\nb", 400), (b"\xff", 400), (b"x" * 1025, 413), (b"x" * 1024, 200)],
)
async def test_what_is_taken(world: World, body: bytes, status: int) -> None:
    server_id = await world.created()
    answer = await world.as_guest(server_id, PATH, method="POST", body=body)
    assert answer.status == status
    assert len(await shown(world, server_id)) == (1024 if status == 200 else 0)


async def test_an_address_is_enough(world: World) -> None:
    server_id = await world.created()
    headers = {"X-Forwarded-For": await world.address(server_id)}
    answer = await world.ask("/openstack/2013-04-04/password", headers, method="POST", body="1")
    assert (answer.status, await shown(world, server_id)) == (200, "1")


async def test_one_that_does_not_arrive_holds_no_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_id = await world.created()
    monkeypatch.setattr(requests, "BODY_TIMEOUT_S", 0.05)
    host, _, port = world.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"POST {PATH} HTTP/1.1", "Host: m", "Content-Length: 9"]
    lines += [f"{name}: {value}" for name, value in (await world.proof(server_id)).items()]
    writer.write("\r\n".join([*lines, "", "half"]).encode())
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.startswith(b"HTTP/1.1 408 ")
