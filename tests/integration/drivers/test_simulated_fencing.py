"""Gaps, holds and what runs when, on a clock that only moves when told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from common.domain.states import PowerState
from common.errors import StaleGeneration, Unavailable
from services.compute.drivers.base import GuestHeld, GuestInfo, Phase
from services.compute.drivers.optional import Gap
from services.compute.drivers.simulated import SimulatedDriver
from services.compute.drivers.simulated.log import Interval, running_intervals
from tests.integration.drivers.support import ManualClock, make_settings, make_spec, turns


class Host:
    """A driver of its own clock, and the gaps it told of."""

    def __init__(self, directory: Path, clock: ManualClock, *, spawn_delay_s: float = 0.0) -> None:
        settings = make_settings(directory, spawn_delay_s=spawn_delay_s, fence_gap_s=2.0)
        self.log = directory / "host-1/driver.log"
        self.clock = clock
        self.gaps: list[Gap] = []
        self.driver = SimulatedDriver("host-1", settings, clock)
        self.driver.on_gap = self.gaps.append

    def intervals(self, uuid: str) -> list[Interval]:
        return running_intervals([self.log]).get(uuid, [])


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path, ManualClock())
    await host.driver.start()
    await turns()
    yield host
    await host.driver.stop()


async def test_guests_run_while_ticks_come(host: Host) -> None:
    spec = make_spec()
    await host.driver.spawn(spec, held=False)
    start = host.clock.wall
    await host.clock.advance(30)
    assert host.gaps == []
    assert host.intervals(spec.uuid) == [Interval("host-1", 1, start, start + 30)]


async def test_a_gap_ends_execution_at_the_last_tick(host: Host) -> None:
    spec = make_spec()
    await host.driver.spawn(spec, held=False)
    start = host.clock.wall
    await host.clock.advance(5)
    host.clock.jump(60)
    await host.clock.wake()
    await host.clock.advance(5)

    (gap,) = host.gaps
    assert gap.since.timestamp() == start + 5
    assert gap.until.timestamp() == start + 65
    assert gap.reason == "host_frozen"
    info = await host.driver.guest_info(spec.uuid)
    assert (info.power_state, info.held) == (PowerState.RUNNING, True)
    assert host.intervals(spec.uuid) == [Interval("host-1", 1, start, start + 5)]

    host.driver.release(spec.uuid, 1, as_of=host.driver.holds)
    await host.clock.advance(3)
    assert host.intervals(spec.uuid)[1:] == [Interval("host-1", 1, start + 70, start + 73)]


@pytest.mark.parametrize("clock_name", ["wall", "mono"])
async def test_either_clock_shows_the_gap(host: Host, clock_name: str) -> None:
    await host.driver.spawn(make_spec(), held=False)
    setattr(host.clock, clock_name, getattr(host.clock, clock_name) + 60)
    assert len(host.driver.held_guests()) == 1


async def test_a_clock_set_back_is_no_gap(host: Host) -> None:
    await host.driver.spawn(make_spec(), held=False)
    host.clock.wall -= 3600
    await host.driver.tick()
    assert host.gaps == []


async def test_stopped_guests_are_held_too(host: Host) -> None:
    """A late power-on must not start a guest that was evacuated while the host was frozen."""
    spec = make_spec(power_on=False)
    await host.driver.spawn(spec, held=False)
    host.clock.jump(60)
    with pytest.raises(GuestHeld):
        await host.driver.power_on(spec.uuid, 1)
    with pytest.raises(GuestHeld):
        await host.driver.power_on(spec.uuid, 1)
    assert host.intervals(spec.uuid) == []


async def test_the_verb_that_notices_the_gap_does_nothing(host: Host) -> None:
    host.clock.jump(60)
    with pytest.raises(GuestHeld):
        await host.driver.spawn(make_spec(), held=False)
    assert await host.driver.list_guests() == []
    assert len(host.gaps) == 1


async def test_a_spawn_in_flight_across_a_gap_does_not_start(tmp_path: Path) -> None:
    clock = ManualClock()
    host = Host(tmp_path, clock, spawn_delay_s=1.0)
    await host.driver.start()
    spec = make_spec()
    spawn = asyncio.ensure_future(host.driver.spawn(spec, held=False))
    await turns()
    clock.jump(60)
    await clock.wake()
    with pytest.raises(GuestHeld):
        await spawn
    (guest,) = await host.driver.list_guests()
    assert (guest.phase, guest.held) == (Phase.BUILDING, True)

    host.driver.release(spec.uuid, 1, as_of=host.driver.holds)
    spawn = asyncio.ensure_future(host.driver.spawn(spec, held=False))
    await turns()
    await clock.advance(1)
    assert (await spawn).power_state is PowerState.RUNNING
    await host.driver.stop()


async def test_destroy_in_flight_across_a_gap_is_carried_out(tmp_path: Path) -> None:
    clock = ManualClock()
    host = Host(tmp_path, clock)
    await host.driver.start()
    spec = make_spec()
    await host.driver.spawn(spec, held=False)
    clock.jump(60)
    await host.driver.destroy(spec.uuid, 1)
    assert host.driver.held_guests() == []
    assert await host.driver.list_guests() == []
    await host.driver.stop()


async def test_a_held_guest_does_not_execute(host: Host) -> None:
    spec = make_spec()
    await host.driver.spawn(spec, held=False)
    start = host.clock.wall
    await host.clock.advance(1)
    host.driver.hold(spec.uuid, "evacuation in progress")
    await host.clock.advance(1)
    host.driver.release(spec.uuid, 1, as_of=host.driver.holds)
    await host.clock.advance(1)
    assert host.intervals(spec.uuid) == [
        Interval("host-1", 1, start, start + 1),
        Interval("host-1", 1, start + 2, start + 3),
    ]


async def test_what_is_made_executes_from_its_release_on(host: Host) -> None:
    spec = make_spec()
    await host.driver.spawn(spec)
    await host.clock.advance(5)
    assert host.intervals(spec.uuid) == []
    released = host.clock.wall
    host.driver.release(spec.uuid, 1, as_of=host.driver.holds)
    await host.clock.advance(1)
    assert host.intervals(spec.uuid) == [Interval("host-1", 1, released, released + 1)]


@pytest.mark.parametrize("verb", ["spawn", "revert_migration"])
async def test_a_hold_that_came_while_a_verb_was_under_way_stays(tmp_path: Path, verb: str) -> None:
    clock = ManualClock()
    host = Host(tmp_path, clock, spawn_delay_s=1.0)
    await host.driver.start()
    await turns()
    spec = make_spec()
    under_way: asyncio.Future[Any]
    if verb == "spawn":
        under_way = asyncio.ensure_future(host.driver.spawn(spec, held=False))
    else:
        made = asyncio.ensure_future(host.driver.spawn(spec, held=False))
        await turns()
        await clock.advance(2)
        await made
        left = asyncio.ensure_future(host.driver.migrate_out(spec.uuid, 1))
        await turns()
        await clock.advance(2)
        await left
        under_way = asyncio.ensure_future(
            host.driver.revert_migration(spec.uuid, 1, new_generation=2, held=False)
        )
    await turns()
    ran = len(host.intervals(spec.uuid))
    host.driver.hold(spec.uuid, "fenced")
    await clock.advance(2)
    with pytest.raises(GuestHeld):
        await under_way
    assert [guest.uuid for guest in host.driver.held_guests()] == [spec.uuid]
    assert len(host.intervals(spec.uuid)) == ran
    await host.driver.stop()


async def test_a_rebuild_stops_the_old_guest_first_and_overtakes_its_spawn(tmp_path: Path) -> None:
    clock = ManualClock()
    host = Host(tmp_path, clock, spawn_delay_s=2.0)
    await host.driver.start()
    await turns()
    start = clock.wall
    spec = make_spec()
    spawns = []
    for generation, then_wait_s in ((1, 3), (2, 1), (3, 4)):
        wanted = spec.model_copy(update={"generation": generation})
        spawns.append(asyncio.ensure_future(host.driver.spawn(wanted, held=False)))
        await turns()
        await clock.advance(then_wait_s)
    await spawns[0]
    with pytest.raises(StaleGeneration):
        await spawns[1]
    assert (await spawns[2]).generation == 3
    assert host.intervals(spec.uuid) == [
        Interval("host-1", 1, start + 2, start + 3),
        Interval("host-1", 3, start + 6, start + 8),
    ]
    await host.driver.stop()


async def test_truth_from_before_a_second_gap_releases_nothing(host: Host) -> None:
    spec = make_spec()
    await host.driver.spawn(spec, held=False)
    host.clock.jump(60)
    asked = host.driver.holds
    host.clock.jump(60)
    with pytest.raises(GuestHeld):
        host.driver.release(spec.uuid, 1, as_of=asked)
    assert len(host.driver.held_guests()) == 1
    assert len(host.gaps) == 2


async def test_restart_ends_execution_at_the_last_tick(tmp_path: Path) -> None:
    clock = ManualClock()
    first = Host(tmp_path, clock)
    await first.driver.start()
    await turns()
    spec = make_spec()
    await first.driver.spawn(spec, held=False)
    start = clock.wall
    await clock.advance(4)
    clock.jump(0.25)  # less than a tick: nobody can say whether the guest ran
    await first.driver.crash()
    assert first.intervals(spec.uuid) == [Interval("host-1", 1, start, start + 4)]

    clock.jump(1)
    second = Host(tmp_path, clock)
    await second.driver.start()
    await turns()
    await clock.advance(4)
    assert second.gaps[0].reason == "agent_restart"
    assert second.intervals(spec.uuid) == [Interval("host-1", 1, start, start + 4)]
    await second.driver.stop()


async def test_a_stopped_agent_runs_nothing(host: Host) -> None:
    spec = make_spec()
    await host.driver.spawn(spec, held=False)
    start = host.clock.wall
    await host.clock.advance(1)
    host.clock.jump(0.125)
    await host.driver.stop()
    assert host.intervals(spec.uuid) == [Interval("host-1", 1, start, start + 1.125)]
    with pytest.raises(Unavailable):
        await host.driver.power_on(spec.uuid, 1)


async def test_a_verb_that_waits_while_the_agent_crashes_does_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    host = Host(tmp_path, clock, spawn_delay_s=1.0)
    await host.driver.start()
    spawn = asyncio.ensure_future(host.driver.spawn(make_spec(), held=False))
    await turns()
    await host.driver.crash()
    await clock.advance(1)
    with pytest.raises(Unavailable):
        await spawn


@pytest.mark.parametrize(
    ("verb", "executes"),
    [("pause", False), ("suspend", False), ("power_off", False), ("inject_nmi", True)],
)
async def test_only_running_guests_execute(host: Host, verb: str, executes: bool) -> None:
    spec = make_spec()
    await host.driver.spawn(spec, held=False)
    start = host.clock.wall
    await host.clock.advance(1)
    await getattr(host.driver, verb)(spec.uuid, 1)
    await host.clock.advance(1)
    (interval,) = host.intervals(spec.uuid)
    assert interval.end == start + (2 if executes else 1)


async def test_a_guest_that_goes_down_by_itself_is_told_of(host: Host) -> None:
    told: list[GuestInfo] = []
    host.driver.on_guest_event = told.append
    shut, crashed = make_spec(), make_spec()
    for spec in (shut, crashed):
        await host.driver.spawn(spec, held=False)
    start = host.clock.wall
    await host.clock.advance(1)
    host.driver.simulate_guest_event(shut.uuid, "shutdown")
    host.driver.simulate_guest_event(crashed.uuid, "crash")
    assert [info.power_state for info in told] == [PowerState.SHUTDOWN, PowerState.CRASHED]
    assert [info.uuid for info in told] == [shut.uuid, crashed.uuid]
    await host.clock.advance(1)
    assert host.intervals(crashed.uuid) == [Interval("host-1", 1, start, start + 1)]


async def test_live_migration_runs_in_one_place_at_a_time(tmp_path: Path) -> None:
    clock = ManualClock()
    source = Host(tmp_path, clock, spawn_delay_s=1.0)
    await source.driver.start()
    spec = make_spec()
    spawn = asyncio.ensure_future(source.driver.spawn(spec, held=False))
    await turns()
    await clock.advance(2)
    await spawn

    aborted = asyncio.ensure_future(source.driver.live_migrate(spec.uuid, 1))
    await turns()
    await clock.advance(1)
    progress = await source.driver.live_migration_progress(spec.uuid)
    assert 0 < progress.memory_processed_bytes < progress.memory_total_bytes == 512 * 1024 * 1024
    await source.driver.live_migration_abort(spec.uuid)
    await clock.advance(1)
    with pytest.raises(Exception, match="aborted"):
        await aborted
    assert (await source.driver.guest_info(spec.uuid)).phase is Phase.READY

    forced = asyncio.ensure_future(source.driver.live_migrate(spec.uuid, 1))
    await turns()
    await source.driver.live_migration_force_complete(spec.uuid)
    await clock.advance(0.5)
    await forced
    left = clock.wall
    await clock.advance(2)
    (interval,) = source.intervals(spec.uuid)
    assert interval.end <= left
    await source.driver.stop()
