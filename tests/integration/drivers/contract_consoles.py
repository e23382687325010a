"""What every driver that has consoles must do."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from common.errors import NotFound, StaleGeneration, Unsupported
from tests.integration.drivers.contract import Contract
from tests.integration.drivers.support import make_spec
from tests.support.rfb import RfbClient


async def assert_hung_up(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(5):
        while await reader.read(65_536):
            pass


class ConsolesContract(Contract):
    async def test_every_protocol_greets_or_waits(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec)  # also one that is held
        for protocol in driver.capabilities.consoles:
            _, writer = await driver.open_console(spec.uuid, 1, protocol)
            writer.close()
        with pytest.raises(NotFound):
            await driver.open_console(spec.uuid, 2, "vnc")
        with pytest.raises(NotFound):
            await driver.open_console(make_spec().uuid, 1, "vnc")

    async def test_vnc_is_rfb(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        client = RfbClient.over_stream(*await driver.open_console(spec.uuid, 1, "vnc"))
        await client.connect()
        assert client.width >= 320
        await client.update(changes_only=False)

    @pytest.mark.parametrize("ending", ["destroy", "rebuild", "migrate_out", "stop"])
    async def test_a_console_ends_with_its_guest(self, driver: Any, ending: str) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        reader, _ = await driver.open_console(spec.uuid, 1, "vnc")
        match ending:
            case "destroy":
                await driver.destroy(spec.uuid, 1)
            case "rebuild":
                await driver.spawn(spec.model_copy(update={"generation": 2}), held=False)
                with pytest.raises(StaleGeneration):
                    await driver.open_console(spec.uuid, 1, "vnc")
            case "migrate_out":
                await driver.migrate_out(spec.uuid, 1)
            case "stop":
                await driver.stop()
        await assert_hung_up(reader)

    async def test_a_secret_is_asked_for_in_the_protocols_own_way(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        secrets = frozenset({"0" * 64})
        with pytest.raises(Unsupported):
            await driver.open_console(spec.uuid, 1, "serial", secrets)
        reader, writer = await driver.open_console(spec.uuid, 1, "spice", secrets)
        link = struct.pack("<IBBIII", 0, 1, 0, 1, 0, 18) + struct.pack("<I", 0b1011)
        writer.write(struct.pack("<4sIII", b"REDQ", 2, 2, len(link)) + link)
        magic, major, minor, size = struct.unpack("<4sIII", await reader.readexactly(16))
        assert (magic, major, minor) == (b"REDQ", 2, 2)
        assert (await reader.readexactly(size))[:4] == bytes(4)
        writer.write(struct.pack("<I", 1) + bytes(128))  # sealed with no key of the server's
        await assert_hung_up(reader)
