"""Nobody reaches a guest's console but with what the host has told over the bus."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from tests.integration.compute.support import Rig, code, new_uuid
from tests.support import spice
from tests.support.rfb import RfbClient
from tests.support.spice import SpiceClient

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\n\r\n"
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def guest(rig: Rig) -> str:
    await rig.start()
    return await rig.conductor.spawn()


async def place(rig: Rig, guest: str, protocol: str = "vnc", **more: Any) -> dict[str, Any]:
    reply = await rig.conductor.tell("connect_console", guest, protocol=protocol, **more)
    assert reply.error is None, reply
    return reply.result


async def come(found: dict[str, Any], greeting: str | None = None) -> Streams:
    """At the host's door, having said what is said there."""
    reader, writer = await asyncio.open_connection(found["host"], found["port"])
    if greeting is None:
        greeting = f"CONNECT {found['internal_access_path']} HTTP/1.1\r\n\r\n"
    writer.write(greeting.encode())
    return reader, writer


async def answer(streams: Streams) -> bytes:
    """All that comes until the host hangs up."""
    async with asyncio.timeout(5):
        return await streams[0].read()


async def test_a_ticket_opens_one_connection(rig: Rig, guest: str) -> None:
    found = await place(rig, guest)
    reader, writer = await come(found)
    assert await reader.readexactly(len(OK)) == OK
    client = RfbClient.over_stream(reader, writer)
    await client.connect()
    await client.until("login: _")
    assert await answer(await come(found)) == FORBIDDEN


@pytest.mark.parametrize(
    "greeting",
    [
        f"CONNECT {new_uuid()} HTTP/1.1\r\n\r\n",
        "CONNECT  HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "RFB 003.008\r\n\r\n",
    ],
)
async def test_without_a_ticket_nobody_comes_in(rig: Rig, guest: str, greeting: str) -> None:
    found = await place(rig, guest)
    assert await answer(await come(found, greeting)) == FORBIDDEN


async def test_too_long_a_greeting_is_not_listened_to(rig: Rig, guest: str) -> None:
    found = await place(rig, guest)
    assert await answer(await come(found, "CONNECT " + "x" * 20_000)) == b""


async def test_a_ticket_ends_with_its_time(rig: Rig, guest: str) -> None:
    found = await place(rig, guest)
    rig.clock.ahead_s += 31.0
    assert await answer(await come(found)) == FORBIDDEN


async def test_a_ticket_is_of_no_use_when_the_guest_is_gone(rig: Rig, guest: str) -> None:
    found = await place(rig, guest)
    await rig.conductor.tell("destroy", guest)
    assert await answer(await come(found)) == BAD_GATEWAY


async def test_what_is_not_there_is_refused(rig: Rig, guest: str) -> None:
    for verb in ("offers_console", "connect_console"):
        tell = rig.conductor.tell
        assert code(await tell(verb, guest, protocol="mks")) == "unsupported"
        assert code(await tell(verb, new_uuid(), protocol="vnc")) == "not_found"
        assert code(await tell(verb, guest, 2, protocol="vnc")) == "stale_generation"
        assert code(await tell(verb, guest)) == "invalid_input"
    assert code(await rig.conductor.tell("offers_console", guest, protocol="spice")) is None


async def test_connections_have_a_limit(rig: Rig) -> None:
    await rig.start(consoles={"max_connections": 1})
    guest = await rig.conductor.spawn()
    first = await come(await place(rig, guest, "serial"))
    assert await first[0].readexactly(len(OK)) == OK
    assert await answer(await come(await place(rig, guest, "serial"))) == b""
    first[1].close()


async def test_a_frozen_host_carries_nothing(rig: Rig, guest: str) -> None:
    agent = rig.lives[0].service.agents["compute-1"]
    reader, writer = await come(await place(rig, guest, "serial"))
    await reader.readuntil(b"login: ")
    agent.freeze()
    writer.write(b"a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.read(1)
    agent.thaw()
    assert await reader.read(1) == b"a"


async def test_spice_clients_get_a_port_where_the_secret_is_asked_for(rig: Rig, guest: str) -> None:
    secret = hashlib.sha256(b"sesame").hexdigest()
    found = await place(rig, guest, "spice", secret=secret, ttl_s=60.0)
    assert found["internal_access_path"] is None
    assert found["tls_port"] is None
    for password, wanted in (("sesam", spice.DENIED), ("sesame", spice.OK), ("sesame", spice.OK)):
        client = SpiceClient(*await come(found, ""))
        assert await client.link() == spice.OK
        assert await client.authenticate(password) == wanted
    other = hashlib.sha256(b"other").hexdigest()
    again = await asyncio.gather(
        *(place(rig, guest, "spice", secret=digest, ttl_s=60.0) for digest in (secret, other))
    )
    assert {place["port"] for place in again} == {found["port"]}, "one port for a guest"
    rig.clock.ahead_s += 61.0
    assert await answer(await come(found, "")) == b""
