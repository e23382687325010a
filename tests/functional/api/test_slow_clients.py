"""Clients that take long, say nothing, or are too many, hold nobody up for long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.functional.api.conftest import Deployment

HEAD = "POST /v2.1/flavors HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {token}\r\n"
WITHIN_S = 5.0


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    limits = {"idle_timeout_s": 0.4, "header_timeout_s": 0.2, "body_timeout_s": 0.2}
    return {"api": {"max_connections": 4, **limits}}


class Wire:
    """A connection whose bytes the test sends one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, deployment: Deployment) -> Wire:
        port = int(deployment.base_url.rpartition(":")[2])
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, text: str) -> None:
        self._writer.write(text.encode())

    async def everything(self) -> str:
        """What the API says until it closes the connection."""
        try:
            async with asyncio.timeout(WITHIN_S):
                return (await self._reader.read()).decode()
        except ConnectionResetError:
            return ""
        finally:
            self._writer.close()


@pytest.fixture
async def wire(deployment: Deployment) -> Wire:
    return await Wire.open(deployment)


async def test_silence(wire: Wire) -> None:
    assert await wire.everything() == ""


async def test_half_a_head(wire: Wire) -> None:
    wire.send("GET /v2.1/flavors HTTP/1.1\r\nHost")
    assert await wire.everything() == ""


async def test_half_a_body(deployment: Deployment, wire: Wire) -> None:
    wire.send(HEAD.format(token=deployment.tokens["admin"]) + "Content-Length: 9\r\n\r\n{")
    answer = await wire.everything()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "did not arrive in time" in answer


async def test_half_a_second_head(deployment: Deployment, wire: Wire) -> None:
    """The clock runs for every request of a connection."""
    wire.send(f"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET {'x' * 10}")
    answer = await wire.everything()
    assert answer.count("HTTP/1.1 200 ") == 1


async def test_a_body_that_is_small_on_the_wire_only(deployment: Deployment, wire: Wire) -> None:
    head = HEAD.format(token=deployment.tokens["admin"])
    wire.send(f"{head}Content-Encoding: deflate\r\nContent-Length: 2\r\n\r\n{{}}")
    answer = await wire.everything()
    assert "HTTP/1.1 400 " in answer, "it is read as it is"


async def test_too_many_connections(deployment: Deployment) -> None:
    held = [await Wire.open(deployment) for _ in range(5)]
    for wire in held:
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answers = await asyncio.gather(*(wire.everything() for wire in held))
    served = [answer for answer in answers if answer.startswith("HTTP/1.1 200 ")]
    assert 0 < len(served) <= 4, "others keep a connection too"
    again = await Wire.open(deployment)
    again.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await again.everything()).startswith("HTTP/1.1 200 "), "there is room again"
