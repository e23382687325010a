"""What every driver that can make snapshots of volumes for the volume service must do."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from common.errors import NotFound, StaleGeneration
from services.compute.drivers import base
from tests.integration.drivers.contract import Contract
from tests.integration.drivers.contract_volumes import make_volume
from tests.integration.drivers.support import make_spec


class VolumeSnapshotsContract(Contract):
    async def test_a_snapshot_is_made_and_deleted(self, driver: Any) -> None:
        spec, volume, snapshot = make_spec(), make_volume(), str(uuid4())
        await driver.spawn(spec, held=False)
        make = (spec.uuid, 1, volume.volume_id, snapshot, "file-2")
        delete = make[:-1]
        for call in (driver.snapshot_volume(*make), driver.delete_volume_snapshot(*delete)):
            with pytest.raises(NotFound):
                await call
        await driver.attach_volume(spec.uuid, 1, volume)
        for _ in range(2):
            await driver.snapshot_volume(*make)
        assert "a new file" in await driver.console_output(spec.uuid)
        await driver.delete_volume_snapshot(
            *delete, file_to_merge="file-2", merge_target_file="file-1"
        )
        await driver.delete_volume_snapshot(*delete)
        info = await driver.guest_info(spec.uuid)
        assert list(info.volumes) == [(volume.volume_id, volume.attachment_id)]

    async def test_only_of_the_present_guest(self, driver: Any) -> None:
        volume = make_volume()
        spec = make_spec(generation=2).model_copy(update={"volumes": [volume]})
        await driver.spawn(spec, held=False)
        with pytest.raises(StaleGeneration):
            await driver.snapshot_volume(spec.uuid, 1, volume.volume_id, "s", "f")
        driver.hold(spec.uuid, "test")
        with pytest.raises(base.GuestHeld):
            await driver.delete_volume_snapshot(spec.uuid, 2, volume.volume_id, "s")
