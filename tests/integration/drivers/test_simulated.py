"""The simulated driver passes the contract of every Protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from common.runtime.ports import Clock
from services.compute.drivers.base import Provision
from services.compute.drivers.simulated import SimulatedDriver
from tests.integration.drivers import (
    contract,
    contract_consoles,
    contract_images,
    contract_interfaces,
    contract_provision,
    contract_volume_snapshots,
    contract_volumes,
)
from tests.integration.drivers.support import make_settings, make_spec


class TestSimulatedDriver(
    contract.DriverContract,
    contract.PauseContract,
    contract.SuspendContract,
    contract.RescueContract,
    contract.SnapshotContract,
    contract.GuestAgentContract,
    contract.LiveMigrateContract,
    contract_images.ImageCacheContract,
    contract_interfaces.InterfacesContract,
    contract_provision.ProvisionContract,
    contract.FencingContract,
    contract_consoles.ConsolesContract,
    contract_volumes.VolumesContract,
    contract_volume_snapshots.VolumeSnapshotsContract,
):
    @pytest.fixture
    def make_driver(self, tmp_path: Path) -> Callable[[], SimulatedDriver]:
        return lambda: SimulatedDriver("host-1", make_settings(tmp_path), Clock())

    @pytest.fixture
    def make_other_driver(self, tmp_path: Path) -> Callable[[], SimulatedDriver]:
        return lambda: SimulatedDriver("host-2", make_settings(tmp_path), Clock())

    async def settle(self, driver: Any) -> None:
        for guest in driver.held_guests():
            driver.release(guest.uuid, guest.generation, as_of=driver.holds)


class TestDrives:
    """Config drives are files of their own, which nobody else may read."""

    @pytest.fixture
    async def driver(self, tmp_path: Path) -> AsyncIterator[SimulatedDriver]:
        driver = SimulatedDriver("host-1", make_settings(tmp_path), Clock())
        await driver.start()
        yield driver
        await driver.stop()

    def drives(self, tmp_path: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in tmp_path.glob("host-1/drives/*")}

    async def test_one_per_guest(self, driver: SimulatedDriver, tmp_path: Path) -> None:
        spec = make_spec()
        name = f"{spec.uuid}.iso"
        await driver.spawn(spec, False, contract_provision.PROVISION)
        assert self.drives(tmp_path) == {name: b"an image"}
        assert (tmp_path / "host-1" / "drives" / name).stat().st_mode & 0o777 == 0o600
        await driver.spawn(make_spec(spec.uuid, generation=2), False, Provision(config_drive=b"2"))
        assert self.drives(tmp_path) == {name: b"2"}
        await driver.spawn(make_spec(spec.uuid, generation=3), False)
        assert self.drives(tmp_path) == {}

    async def test_gone_with_the_guest(self, driver: SimulatedDriver, tmp_path: Path) -> None:
        spec = make_spec()
        await driver.spawn(spec, False, contract_provision.PROVISION)
        await driver.destroy(spec.uuid, 1)
        assert self.drives(tmp_path) == {}

    async def test_a_start_removes_what_belongs_to_nobody(
        self, driver: SimulatedDriver, tmp_path: Path
    ) -> None:
        spec = make_spec()
        await driver.spawn(spec, False, contract_provision.PROVISION)
        await driver.crash()
        folder = tmp_path / "host-1" / "drives"
        (folder / "11111111-2222-3333-4444-555555555555.iso").write_bytes(b"of a dead guest")
        (folder / f"{spec.uuid}.iso.tmp").write_bytes(b"half")
        await driver.start()
        assert self.drives(tmp_path) == {f"{spec.uuid}.iso": b"an image"}

    async def test_the_guests_own_file_holds_no_secret(
        self, driver: SimulatedDriver, tmp_path: Path
    ) -> None:
        spec = make_spec()
        await driver.spawn(spec, False, contract_provision.PROVISION)
        kept = (tmp_path / "host-1" / "guests" / f"{spec.uuid}.json").read_bytes()
        assert b"/etc/motd" in kept
        for secret in (contract_provision.PASSWORD.encode(), contract_provision.FILE.content):
            assert secret not in kept
