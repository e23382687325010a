"""The simulated driver passes the contract of every Protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.runtime.ports import Clock
from services.compute.drivers.simulated import SimulatedDriver
from tests.integration.drivers import (
    contract,
    contract_consoles,
    contract_interfaces,
    contract_volume_snapshots,
    contract_volumes,
)
from tests.integration.drivers.support import make_settings


class TestSimulatedDriver(
    contract.DriverContract,
    contract.PauseContract,
    contract.SuspendContract,
    contract.RescueContract,
    contract.SnapshotContract,
    contract.GuestAgentContract,
    contract.LiveMigrateContract,
    contract_interfaces.InterfacesContract,
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
