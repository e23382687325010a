"""What a simulated guest shows on its consoles, and what it makes of keys."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.runtime.ports import Clock
from services.compute.drivers.simulated import SimulatedDriver
from tests.integration.drivers.support import make_settings, make_spec
from tests.support import spice
from tests.support.rfb import RfbClient
from tests.support.spice import SpiceClient

SPEC = make_spec()


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[SimulatedDriver]:
    driver = SimulatedDriver("host-1", make_settings(tmp_path), Clock())
    await driver.start()
    await driver.spawn(SPEC, held=False)
    yield driver
    await driver.stop()


@pytest.fixture
async def screen(driver: SimulatedDriver) -> RfbClient:
    client = RfbClient.over_stream(*await driver.open_console(SPEC.uuid, 1, "vnc"))
    await client.connect()
    return client


async def read_until(reader: asyncio.StreamReader, text: str) -> str:
    got = ""
    async with asyncio.timeout(5):
        while text not in got:
            data = await reader.read(1000)
            assert data, f"hung up after {got!r}"
            got += data.decode()
    return got


async def test_the_screen_shows_the_console_text_and_what_is_typed(screen: RfbClient) -> None:
    assert screen.name == SPEC.name
    await screen.until("web-1 login: _")
    assert "EXT4-fs (vda1): mounted filesystem" in screen.text()
    assert "10.0.0.7" in screen.text()
    await screen.type("Root#1\n")
    await screen.until("web-1 login: Root#1\nPassword: _")
    await screen.type("hidden\n")
    await screen.until("Login incorrect\nweb-1 login: _")
    assert "hidden" not in screen.text()


async def test_everybody_sees_the_same_screen(driver: SimulatedDriver, screen: RfbClient) -> None:
    reader, writer = await driver.open_console(SPEC.uuid, 1, "serial")
    assert await read_until(reader, "login: ") == "web-1 login: "
    writer.write(b"abc\x7f")
    await screen.until("web-1 login: ab_")
    await screen.type("d\n")
    assert await read_until(reader, "Password: ") == "abc\b \bd\r\nPassword: "


async def test_the_screen_follows_the_guest(driver: SimulatedDriver, screen: RfbClient) -> None:
    await screen.until("login: _")
    await driver.power_off(SPEC.uuid, 1)
    await screen.until("reboot: power down_")
    await screen.type("anybody there?")
    await driver.power_on(SPEC.uuid, 1)
    await screen.until("login: _")
    assert "anybody" not in screen.text()
    driver.hold(SPEC.uuid, "test")
    await screen.type("and now?")
    driver.release(SPEC.uuid, 1, as_of=driver.holds)
    await screen.type("now")
    await screen.until("login: now_")


async def test_a_late_viewer_sees_what_was_typed(
    driver: SimulatedDriver, screen: RfbClient
) -> None:
    await screen.until("login: _")
    await screen.type("early")
    await screen.until("early_")
    late = RfbClient.over_stream(*await driver.open_console(SPEC.uuid, 1, "vnc"))
    await late.connect()
    await late.until("login: early_")


async def test_spice_has_a_main_channel_that_says_why_there_is_no_other(
    driver: SimulatedDriver,
) -> None:
    client = SpiceClient(*await driver.open_console(SPEC.uuid, 1, "spice"))
    assert await client.link() == spice.OK
    assert await client.authenticate("") == spice.OK
    kind, body = await client.message()
    assert (kind, len(body)) == (spice.INIT, 32)
    kind, body = await client.message()
    assert kind == spice.NOTIFY
    assert b"no SPICE display" in body
    client.say(spice.ATTACH_CHANNELS)
    assert await client.message() == (spice.CHANNELS, bytes(4))
    other = SpiceClient(*await driver.open_console(SPEC.uuid, 1, "spice"))
    assert await other.link(spice.DISPLAY) == spice.NO_CHANNEL


async def test_spice_takes_the_ticket_it_was_told(driver: SimulatedDriver) -> None:
    secrets = frozenset({hashlib.sha256(b"sesame").hexdigest()})
    for password, answer in (("sesame", spice.OK), ("sesam", spice.DENIED), ("", spice.DENIED)):
        client = SpiceClient(*await driver.open_console(SPEC.uuid, 1, "spice", secrets))
        assert await client.link() == spice.OK
        assert await client.authenticate(password) == answer
