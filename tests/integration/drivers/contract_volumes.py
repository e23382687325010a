"""What every driver that can attach volumes must do; see contract.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from common.errors import Conflict, NotFound, StaleGeneration
from common.messages.compute import LocalDisk, VolumeDevice
from services.compute.drivers import base
from tests.integration.drivers.contract import Contract
from tests.integration.drivers.support import make_spec


def make_volume(**fields: Any) -> VolumeDevice:
    given = {"volume_id": str(uuid4()), "attachment_id": str(uuid4()), **fields}
    return VolumeDevice(device_name="/dev/vdb", size_gib=1, **given)


async def held_by(driver: Any, uuid: str) -> list[tuple[str, str]]:
    """Volumes and attachments, as the host sees them."""
    return list((await driver.guest_info(uuid)).volumes)


def pair(volume: VolumeDevice) -> tuple[str, str]:
    return volume.volume_id, volume.attachment_id


class VolumesContract(Contract):
    async def test_the_connector_names_the_host(self, driver: Any) -> None:
        connector = await driver.volume_connector()
        assert connector["host"]
        assert connector["ip"]

    async def test_a_guest_is_made_with_its_volumes(self, driver: Any) -> None:
        root = make_volume(boot_index=0)
        scratch = LocalDisk(source="blank", device_name="/dev/vdc", tag="scratch")
        spec = make_spec().model_copy(update={"volumes": [root], "local_disks": [scratch]})
        await driver.spawn(spec, held=False)
        assert await held_by(driver, spec.uuid) == [pair(root)]
        said = await driver.console_output(spec.uuid)
        assert root.volume_id in said
        assert "scratch" in said

    async def test_attach_and_detach(self, driver: Any) -> None:
        spec, volume, other = make_spec(), make_volume(), make_volume()
        await driver.spawn(spec, held=False)
        for _ in range(2):
            await driver.attach_volume(spec.uuid, 1, volume)
            assert await held_by(driver, spec.uuid) == [pair(volume)]
        await driver.attach_volume(spec.uuid, 1, other)
        for _ in range(2):
            await driver.detach_volume(spec.uuid, 1, volume.volume_id)
            assert await held_by(driver, spec.uuid) == [pair(other)]

    async def test_a_guest_that_is_off_gets_its_disk(self, driver: Any) -> None:
        spec, volume = make_spec(power_on=False), make_volume()
        await driver.spawn(spec, held=False)
        await driver.attach_volume(spec.uuid, 1, volume)
        await driver.power_on(spec.uuid, 1)
        assert await held_by(driver, spec.uuid) == [pair(volume)]

    async def test_another_attachment_takes_the_place(self, driver: Any) -> None:
        spec, volume = make_spec(), make_volume()
        anew = volume.model_copy(update={"attachment_id": str(uuid4())})
        await driver.spawn(spec, held=False)
        await driver.attach_volume(spec.uuid, 1, volume)
        await driver.attach_volume(spec.uuid, 1, anew)
        assert await held_by(driver, spec.uuid) == [pair(anew)]

    async def test_swap(self, driver: Any) -> None:
        spec, old, new = make_spec(), make_volume(), make_volume()
        await driver.spawn(spec, held=False)
        with pytest.raises(NotFound):
            await driver.swap_volume(spec.uuid, 1, old.volume_id, new)
        await driver.attach_volume(spec.uuid, 1, old)
        for _ in range(2):
            await driver.swap_volume(spec.uuid, 1, old.volume_id, new)
            assert await held_by(driver, spec.uuid) == [pair(new)]

    async def test_extend(self, driver: Any) -> None:
        spec, volume = make_spec(), make_volume()
        await driver.spawn(spec, held=False)
        with pytest.raises(NotFound):
            await driver.extend_volume(spec.uuid, 1, volume.volume_id, 2)
        await driver.attach_volume(spec.uuid, 1, volume)
        for _ in range(2):
            await driver.extend_volume(spec.uuid, 1, volume.volume_id, 2)
        assert await held_by(driver, spec.uuid) == [pair(volume)]
        await driver.reboot(spec.uuid, 1, "hard")
        assert "2 GiB volume" in await driver.console_output(spec.uuid)

    async def test_only_the_present_guest_that_is_not_held_changes(self, driver: Any) -> None:
        spec, volume = make_spec(generation=2), make_volume()
        await driver.spawn(spec, held=False)
        with pytest.raises(StaleGeneration):
            await driver.attach_volume(spec.uuid, 1, volume)
        driver.hold(spec.uuid, "test")
        for call in (
            driver.attach_volume(spec.uuid, 2, volume),
            driver.detach_volume(spec.uuid, 2, volume.volume_id),
            driver.swap_volume(spec.uuid, 2, volume.volume_id, volume),
            driver.extend_volume(spec.uuid, 2, volume.volume_id, 2),
        ):
            with pytest.raises(base.GuestHeld):
                await call
        assert await held_by(driver, spec.uuid) == []

    async def test_what_was_left_behind_comes_back_with_the_volumes_it_is_given(
        self, driver: Any
    ) -> None:
        old, new = make_volume(), make_volume()
        spec = make_spec().model_copy(update={"volumes": [old]})
        await driver.spawn(spec, held=False)
        await driver.migrate_out(spec.uuid, 1)
        with pytest.raises(Conflict):
            await driver.attach_volume(spec.uuid, 1, new)
        await driver.revert_migration(spec.uuid, 1, 1, held=False)
        assert await held_by(driver, spec.uuid) == [pair(old)]
        await driver.migrate_out(spec.uuid, 1)
        await driver.revert_migration(spec.uuid, 1, 1, held=False, volumes=[new])
        assert await held_by(driver, spec.uuid) == [pair(new)]

    async def test_volumes_survive_the_agent(
        self, driver: Any, make_driver: Callable[[], Any]
    ) -> None:
        spec, volume = make_spec(), make_volume()
        await driver.spawn(spec, held=False)
        await driver.attach_volume(spec.uuid, 1, volume)
        await driver.crash()
        again = make_driver()
        await again.start()
        assert await held_by(again, spec.uuid) == [pair(volume)]
        await again.stop()
