"""What every driver must do whose guests can be given network interfaces later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from common.domain.states import PowerState
from common.errors import Conflict, NotFound, StaleGeneration
from common.messages.compute import NetworkInterface
from services.compute.drivers import base
from tests.integration.drivers.contract import Contract, state_of
from tests.integration.drivers.support import make_spec

EXTRA = NetworkInterface(
    port_id="extra",
    mac_address="fa:16:3e:00:00:02",
    network_id="net-2",
    fixed_ips=["10.0.1.7"],
    tag="storage",
)


async def ports_of(driver: Any, uuid: str) -> tuple[str, ...]:
    return tuple((await driver.guest_info(uuid)).port_ids)


class InterfacesContract(Contract):
    @pytest.mark.parametrize("prepare", [None, "pause", "power_off"])
    async def test_interfaces_come_and_go(self, driver: Any, prepare: str | None) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        assert await ports_of(driver, spec.uuid) == ("port",)
        if prepare is not None:
            await getattr(driver, prepare)(spec.uuid, 1)
        before = await state_of(driver, spec.uuid)
        for _ in range(2):
            await driver.attach_interface(spec.uuid, 1, EXTRA)
            assert await ports_of(driver, spec.uuid) == ("port", "extra")
        for _ in range(2):
            await driver.detach_interface(spec.uuid, 1, "port")
            assert await ports_of(driver, spec.uuid) == ("extra",)
        assert await state_of(driver, spec.uuid) is before

    async def test_the_description_is_the_latest(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        await driver.attach_interface(spec.uuid, 1, EXTRA)
        moved = EXTRA.model_copy(update={"fixed_ips": ["10.0.1.99"]})
        await driver.attach_interface(spec.uuid, 1, moved)
        assert await ports_of(driver, spec.uuid) == ("port", "extra")
        await driver.reboot(spec.uuid, 1, "hard")
        text = await driver.console_output(spec.uuid, 20)
        assert "10.0.1.99" in text
        assert "10.0.1.7 " not in text

    async def test_interfaces_survive_the_agent(self, make_driver: Callable[[], Any]) -> None:
        spec = make_spec()
        first = make_driver()
        await first.start()
        await first.spawn(spec, held=False)
        await first.attach_interface(spec.uuid, 1, EXTRA)
        await first.crash()
        second = make_driver()
        await second.start()
        try:
            assert await ports_of(second, spec.uuid) == ("port", "extra")
        finally:
            await second.stop()

    async def test_of_whom(self, driver: Any) -> None:
        spec = make_spec(generation=2)
        await driver.spawn(spec, held=False)
        for generation, error in ((1, StaleGeneration), (3, NotFound)):
            with pytest.raises(error):
                await driver.attach_interface(spec.uuid, generation, EXTRA)
            with pytest.raises(error):
                await driver.detach_interface(spec.uuid, generation, "port")
        driver.hold(spec.uuid, "test")
        with pytest.raises(base.GuestHeld):
            await driver.attach_interface(spec.uuid, 2, EXTRA)
        with pytest.raises(base.GuestHeld):
            await driver.detach_interface(spec.uuid, 2, "port")
        assert await ports_of(driver, spec.uuid) == ("port",)

    async def test_not_of_one_that_has_left(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        await driver.migrate_out(spec.uuid, 1)
        with pytest.raises(Conflict):
            await driver.attach_interface(spec.uuid, 1, EXTRA)
        assert await state_of(driver, spec.uuid) is PowerState.SHUTDOWN
