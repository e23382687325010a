"""Fault rules do to a driver what they say, and are seen to have fired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.domain.states import PowerState
from common.errors import HostCommandFailed, NotFound
from common.runtime.ports import Random
from services.compute.drivers.simulated import FAULTY, SimulatedDriver
from services.compute.faults import Effect, FaultRegistry, FaultRule
from tests.integration.drivers.support import ManualClock, make_settings, make_spec, turns


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def faults(clock: ManualClock) -> FaultRegistry:
    return FaultRegistry(clock, Random(1), FAULTY)


@pytest.fixture
async def driver(
    tmp_path: Path, clock: ManualClock, faults: FaultRegistry
) -> AsyncIterator[SimulatedDriver]:
    driver = SimulatedDriver("host-1", make_settings(tmp_path), clock, faults=faults)
    await driver.start()
    await turns()
    yield driver
    await driver.stop()


async def test_error_leaves_nothing_done(driver: SimulatedDriver, faults: FaultRegistry) -> None:
    rule = faults.add(FaultRule(effect=Effect.ERROR, verb="spawn", count=1, message="no disk"))
    spec = make_spec()
    with pytest.raises(HostCommandFailed, match="no disk"):
        await driver.spawn(spec, held=False)
    assert await driver.list_guests() == []
    assert faults.fired(rule.id) == 1
    assert (await driver.spawn(spec, held=False)).power_state is PowerState.RUNNING
    assert faults.fired(rule.id) == 1


async def test_delay(driver: SimulatedDriver, faults: FaultRegistry, clock: ManualClock) -> None:
    faults.add(FaultRule(effect=Effect.DELAY, delay_s=5))
    spawn = asyncio.ensure_future(driver.spawn(make_spec(), held=False))
    await turns()
    await clock.advance(4.75)
    assert not spawn.done()
    await clock.advance(0.25)
    assert (await spawn).power_state is PowerState.RUNNING


async def test_hang_ends_when_cleared(driver: SimulatedDriver, faults: FaultRegistry) -> None:
    rule = faults.add(FaultRule(effect=Effect.HANG, verb="spawn"))
    spawn = asyncio.ensure_future(driver.spawn(make_spec(), held=False))
    await turns()
    assert not spawn.done()
    assert faults.fired(rule.id) == 1
    faults.clear(rule.id)
    assert (await spawn).power_state is PowerState.RUNNING


async def test_hang_can_be_cancelled(driver: SimulatedDriver, faults: FaultRegistry) -> None:
    faults.add(FaultRule(effect=Effect.HANG, verb="spawn"))
    spawn = asyncio.ensure_future(driver.spawn(make_spec(), held=False))
    await turns()
    spawn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await spawn
    assert await driver.list_guests() == []


async def test_destroy_overtakes_a_hanging_spawn(
    driver: SimulatedDriver, faults: FaultRegistry
) -> None:
    faults.add(FaultRule(effect=Effect.HANG, verb="spawn"))
    spec = make_spec()
    spawn = asyncio.ensure_future(driver.spawn(spec, held=False))
    await turns()
    await driver.destroy(spec.uuid, 1)
    faults.clear()
    with pytest.raises(HostCommandFailed):
        await spawn
    assert await driver.list_guests() == []


async def test_destroy_overtakes_a_slow_spawn(tmp_path: Path, clock: ManualClock) -> None:
    driver = SimulatedDriver("host-2", make_settings(tmp_path, spawn_delay_s=8), clock)
    await driver.start()
    spec = make_spec()
    spawn = asyncio.ensure_future(driver.spawn(spec, held=False))
    await turns()
    destroy = asyncio.ensure_future(driver.destroy(spec.uuid, 1))
    await turns()
    await clock.advance(2)
    await destroy
    await clock.advance(6)
    with pytest.raises(HostCommandFailed, match="destroyed meanwhile"):
        await spawn
    assert await driver.list_guests() == []
    await driver.stop()


async def test_done_but_reported_failed(driver: SimulatedDriver, faults: FaultRegistry) -> None:
    faults.add(FaultRule(effect=Effect.DONE_BUT_REPORTED_FAILED, verb="spawn", count=1))
    spec = make_spec()
    with pytest.raises(HostCommandFailed):
        await driver.spawn(spec, held=False)
    assert (await driver.guest_info(spec.uuid)).power_state is PowerState.RUNNING


async def test_reported_done_but_lost(driver: SimulatedDriver, faults: FaultRegistry) -> None:
    faults.add(FaultRule(effect=Effect.REPORTED_DONE_BUT_LOST, count=1))
    spec = make_spec()
    assert (await driver.spawn(spec, held=False)).power_state is PowerState.RUNNING
    with pytest.raises(NotFound):
        await driver.guest_info(spec.uuid)
    faults.add(FaultRule(effect=Effect.REPORTED_DONE_BUT_LOST, verb="power_off"))
    await driver.spawn(spec, held=False)
    await driver.power_off(spec.uuid, 1)
    assert (await driver.guest_info(spec.uuid)).power_state is PowerState.RUNNING


async def test_a_power_off_is_not_slower_than_its_timeout(
    tmp_path: Path, clock: ManualClock
) -> None:
    driver = SimulatedDriver("host-2", make_settings(tmp_path, spawn_delay_s=10), clock)
    await driver.start()
    spec = make_spec()
    spawn = asyncio.ensure_future(driver.spawn(spec, held=False))
    await turns()
    await clock.advance(10)
    await spawn
    power_off = asyncio.ensure_future(driver.power_off(spec.uuid, 1, timeout_s=1))
    await turns()
    await clock.advance(1)
    await power_off
    await driver.stop()


async def test_a_disk_that_fails_changes_nothing(driver: SimulatedDriver, tmp_path: Path) -> None:
    spec = make_spec()
    before = await driver.spawn(spec, held=False)
    guests = tmp_path / "host-1/guests"
    guests.rename(tmp_path / "gone")
    with pytest.raises(HostCommandFailed, match="power_off on host host-1"):
        await driver.power_off(spec.uuid, 1)
    assert await driver.guest_info(spec.uuid) == before
    (tmp_path / "gone").rename(guests)
    await driver.power_off(spec.uuid, 1)
