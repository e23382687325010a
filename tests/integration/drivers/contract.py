"""What every driver must do, whatever is under it.

A driver's test module subclasses `DriverContract` and the contract of every optional Protocol it
implements, and provides the fixture `make_driver`: a factory of drivers of one and the same host,
not started, without latency. `settle` is called after a restart and must make guests usable again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from common.domain.states import PowerState
from common.errors import Conflict, NotFound, StaleGeneration
from services.compute.drivers import base, optional
from services.compute.drivers.base import Driver, Phase
from tests.integration.drivers.support import make_spec

PROTOCOL_OF = {
    "pause": optional.Pause,
    "suspend": optional.Suspend,
    "rescue": optional.Rescue,
    "snapshot": optional.Snapshot,
    "admin_password": optional.AdminPassword,
    "crash_dump": optional.CrashDump,
    "migrate": optional.Migrate,
    "live_migrate": optional.LiveMigrate,
    "image_cache": optional.ImageCache,
    "interfaces": optional.Interfaces,
    "fencing": optional.Fencing,
    "consoles": optional.Consoles,
    "volumes": optional.Volumes,
}


async def state_of(driver: Driver, uuid: str) -> PowerState:
    return (await driver.guest_info(uuid)).power_state


class Contract:
    @pytest.fixture
    async def driver(self, make_driver: Callable[[], Any]) -> AsyncIterator[Any]:
        driver = make_driver()
        await driver.start()
        yield driver
        await driver.stop()

    async def settle(self, driver: Any) -> None:
        """A driver that fences releases its guests here."""


class DriverContract(Contract):
    async def test_claims_what_it_implements(self, driver: Any) -> None:
        assert isinstance(driver, Driver)
        for name, protocol in PROTOCOL_OF.items():
            can = bool(getattr(driver.capabilities, name))
            assert can == isinstance(driver, protocol), name

    async def test_resources(self, driver: Any) -> None:
        await driver.spawn(make_spec(), held=False)
        resources = await driver.resources()
        assert resources.vcpus > 0
        assert resources.memory_mib > resources.reserved_memory_mib
        assert resources.hypervisor_type
        assert resources.cpu_info["arch"]
        assert resources.booted_at
        assert resources.booted_at.tzinfo
        assert resources.running_guests == 1
        assert all(len(supported) == 3 for supported in resources.supported_instances)

    async def test_spawn_runs_the_guest(self, driver: Any) -> None:
        spec = make_spec()
        info = await driver.spawn(spec, held=False)
        assert (info.uuid, info.generation, info.name) == (spec.uuid, 1, spec.name)
        assert (info.power_state, info.phase, info.held) == (
            PowerState.RUNNING,
            Phase.READY,
            False,
        )
        assert info.since.tzinfo is not None
        assert await driver.guest_info(spec.uuid) == info
        assert await driver.list_guests() == [info]

    async def test_spawn_without_power(self, driver: Any) -> None:
        info = await driver.spawn(make_spec(power_on=False), held=False)
        assert info.power_state is PowerState.SHUTDOWN

    async def test_spawn_again_returns_what_is_there(self, driver: Any) -> None:
        spec = make_spec()
        first = await driver.spawn(spec, held=False)
        await driver.power_off(spec.uuid, 1)
        again = await driver.spawn(spec, held=False)
        assert again.power_state is PowerState.SHUTDOWN
        assert again.generation == first.generation
        assert len(await driver.list_guests()) == 1

    async def test_two_spawns_at_once_make_one_guest(self, driver: Any) -> None:
        spec = make_spec()
        first, second = await asyncio.gather(
            driver.spawn(spec, held=False), driver.spawn(spec, held=False)
        )
        assert first == second
        assert len(await driver.list_guests()) == 1

    async def test_spawn_of_a_higher_generation_replaces(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        info = await driver.spawn(
            spec.model_copy(update={"generation": 4, "name": "rebuilt"}), held=False
        )
        assert (info.generation, info.name) == (4, "rebuilt")
        assert [guest.generation for guest in await driver.list_guests()] == [4]

    async def test_spawn_of_a_lower_generation_is_stale(self, driver: Any) -> None:
        spec = make_spec(generation=3)
        await driver.spawn(spec, held=False)
        with pytest.raises(StaleGeneration):
            await driver.spawn(spec.model_copy(update={"generation": 2}), held=False)
        assert (await driver.guest_info(spec.uuid)).generation == 3

    async def test_destroy_is_idempotent(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        for _ in range(2):
            await driver.destroy(spec.uuid, 1)
            assert await driver.list_guests() == []
        with pytest.raises(NotFound):
            await driver.guest_info(spec.uuid)

    async def test_late_spawn_of_a_destroyed_generation_is_stale(self, driver: Any) -> None:
        spec = make_spec(generation=2)
        await driver.destroy(spec.uuid, 2)  # overtook the spawn: the host never saw the guest
        for generation in (1, 2):
            with pytest.raises(StaleGeneration):
                await driver.spawn(spec.model_copy(update={"generation": generation}), held=False)
        assert await driver.list_guests() == []
        assert (
            await driver.spawn(spec.model_copy(update={"generation": 3}), held=False)
        ).generation == 3

    async def test_late_destroy_spares_a_newer_guest(self, driver: Any) -> None:
        spec = make_spec(generation=5)
        await driver.spawn(spec, held=False)
        await driver.destroy(spec.uuid, 4)
        assert await state_of(driver, spec.uuid) is PowerState.RUNNING

    async def test_power(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        for _ in range(2):
            await driver.power_off(spec.uuid, 1, timeout_s=0)
            assert await state_of(driver, spec.uuid) is PowerState.SHUTDOWN
        for _ in range(2):
            await driver.power_on(spec.uuid, 1)
            assert await state_of(driver, spec.uuid) is PowerState.RUNNING

    async def test_reboot(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        await driver.reboot(spec.uuid, 1, "soft")
        assert await state_of(driver, spec.uuid) is PowerState.RUNNING
        await driver.power_off(spec.uuid, 1)
        with pytest.raises(Conflict):
            await driver.reboot(spec.uuid, 1, "soft")
        assert await state_of(driver, spec.uuid) is PowerState.SHUTDOWN
        await driver.reboot(spec.uuid, 1, "hard")
        assert await state_of(driver, spec.uuid) is PowerState.RUNNING

    @pytest.mark.parametrize("verb", ["power_on", "power_off", "reboot"])
    async def test_verbs_look_at_the_generation(self, driver: Any, verb: str) -> None:
        spec = make_spec(generation=2)
        with pytest.raises(NotFound):
            await getattr(driver, verb)(spec.uuid, 2)
        before = await driver.spawn(spec, held=False)
        with pytest.raises(StaleGeneration):
            await getattr(driver, verb)(spec.uuid, 1)
        with pytest.raises(NotFound):
            await getattr(driver, verb)(spec.uuid, 3)
        assert await driver.guest_info(spec.uuid) == before

    async def test_console_gives_exactly_the_last_lines(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        lines = (await driver.console_output(spec.uuid)).splitlines()
        assert len(lines) >= 10
        for length in (0, 1, 7, len(lines)):
            text = await driver.console_output(spec.uuid, length)
            assert text.splitlines() == lines[len(lines) - length :]
        assert (await driver.console_output(spec.uuid, 10_000)).splitlines() == lines
        with pytest.raises(NotFound):
            await driver.console_output(make_spec().uuid)

    @pytest.mark.parametrize("end", ["stop", "crash"])
    async def test_guests_and_tombstones_survive_the_agent(
        self, make_driver: Callable[[], Any], end: str
    ) -> None:
        first = make_driver()
        await first.start()
        running, off, gone = make_spec(), make_spec(generation=7), make_spec()
        for spec in (running, off, gone):
            await first.spawn(spec, held=False)
        await first.power_off(off.uuid, 7)
        await first.destroy(gone.uuid, 1)
        console = await first.console_output(running.uuid)
        await getattr(first, end)()

        second = make_driver()
        await second.start()
        try:
            found = {guest.uuid: guest for guest in await second.list_guests()}
            assert set(found) == {running.uuid, off.uuid}
            assert found[running.uuid].power_state is PowerState.RUNNING
            assert found[off.uuid].power_state is PowerState.SHUTDOWN
            assert found[off.uuid].generation == 7
            assert await second.console_output(running.uuid) == console
            with pytest.raises(StaleGeneration):
                await second.spawn(gone, held=False)
            await self.settle(second)
            await second.power_on(off.uuid, 7)
            assert await state_of(second, off.uuid) is PowerState.RUNNING
        finally:
            await second.stop()

    async def test_what_is_made_waits_to_be_released(self, driver: Any) -> None:
        spec = make_spec()
        made = await driver.spawn(spec)
        assert (made.phase, made.power_state) == (Phase.READY, PowerState.RUNNING)
        assert made.hold.reason == base.MADE
        assert driver.held_guests() == [made]
        with pytest.raises(base.GuestHeld):
            await driver.reboot(spec.uuid, 1)
        assert await driver.spawn(spec) == made
        driver.release(spec.uuid, 1, as_of=driver.holds)
        assert driver.held_guests() == []
        assert not (await driver.spawn(spec)).held, "what was released is not held again"
        assert not (await driver.spawn(spec, held=False)).held
        await driver.reboot(spec.uuid, 1)

    async def test_a_command_may_let_what_is_made_already_go(self, driver: Any) -> None:
        spec = make_spec(power_on=False)
        assert (await driver.spawn(spec)).held
        info = await driver.spawn(spec, held=False)
        assert (info.held, info.power_state) == (False, PowerState.SHUTDOWN)

    async def test_a_rebuild_of_a_held_guest_is_made_and_held(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        driver.hold(spec.uuid, "test")
        made = await driver.spawn(spec.model_copy(update={"generation": 2}))
        assert (made.generation, made.hold.reason) == (2, base.MADE)

    async def test_hold_one_and_destroy_it(self, driver: Any) -> None:
        held, free = make_spec(), make_spec()
        for spec in (held, free):
            await driver.spawn(spec, held=False)
        driver.hold(held.uuid, "evacuation in progress")
        driver.hold(make_spec().uuid, "never here")
        assert [guest.uuid for guest in driver.held_guests()] == [held.uuid]
        await driver.reboot(free.uuid, 1)
        await driver.destroy(held.uuid, 1)
        assert driver.held_guests() == []

    async def test_release_looks_at_the_generation(self, driver: Any) -> None:
        spec = make_spec(generation=3)
        await driver.spawn(spec)
        with pytest.raises(StaleGeneration):
            driver.release(spec.uuid, 2, as_of=driver.holds)
        with pytest.raises(NotFound):
            driver.release(spec.uuid, 4, as_of=driver.holds)
        assert [guest.uuid for guest in driver.held_guests()] == [spec.uuid]

    async def test_release_looks_at_the_ticket(self, driver: Any) -> None:
        spec = make_spec()
        made = await driver.spawn(spec)
        asked = driver.holds
        assert made.hold.ticket == asked
        driver.hold(spec.uuid, "fenced")  # held already, and this is another hold
        with pytest.raises(base.GuestHeld):
            driver.release(spec.uuid, 1, as_of=asked)
        assert (await driver.guest_info(spec.uuid)).hold == base.Hold(asked + 1, "fenced")
        driver.release(spec.uuid, 1, as_of=asked + 1)
        driver.release(spec.uuid, 1, as_of=asked)  # not held: as wanted
        assert driver.held_guests() == []

    async def test_a_host_has_one_agent(self, driver: Any, make_driver: Callable[[], Any]) -> None:
        with pytest.raises(Conflict):
            await make_driver().start()


class PauseContract(Contract):
    async def test_pause(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        for _ in range(2):
            await driver.pause(spec.uuid, 1)
            assert await state_of(driver, spec.uuid) is PowerState.PAUSED
        with pytest.raises(Conflict):
            await driver.reboot(spec.uuid, 1, "soft")
        for _ in range(2):
            await driver.unpause(spec.uuid, 1)
            assert await state_of(driver, spec.uuid) is PowerState.RUNNING
        await driver.power_off(spec.uuid, 1)
        with pytest.raises(Conflict):
            await driver.pause(spec.uuid, 1)


class SuspendContract(Contract):
    async def test_suspend(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        for _ in range(2):
            await driver.suspend(spec.uuid, 1)
            assert await state_of(driver, spec.uuid) is PowerState.SUSPENDED
        for _ in range(2):
            await driver.resume(spec.uuid, 1)
            assert await state_of(driver, spec.uuid) is PowerState.RUNNING


class RescueContract(Contract):
    async def test_rescue(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        await driver.power_off(spec.uuid, 1)
        for _ in range(2):
            await driver.rescue(spec.uuid, 1, "rescue-image")
            assert await state_of(driver, spec.uuid) is PowerState.RUNNING
        assert "rescue-image" in await driver.console_output(spec.uuid, 20)
        for _ in range(2):
            await driver.unrescue(spec.uuid, 1)
            assert await state_of(driver, spec.uuid) is PowerState.RUNNING


class SnapshotContract(Contract):
    async def test_snapshot_streams_bytes_and_leaves_the_guest_alone(self, driver: Any) -> None:
        spec = make_spec()
        before = await driver.spawn(spec, held=False)
        chunks = [chunk async for chunk in driver.snapshot(spec.uuid, 1)]
        assert len(chunks) > 1
        assert sum(map(len, chunks)) > 0
        assert await driver.guest_info(spec.uuid) == before
        with pytest.raises(StaleGeneration):
            await anext(driver.snapshot(spec.uuid, 0))


class GuestAgentContract(Contract):
    """Password and crash dump: they reach into a running guest and leave its power state."""

    async def test_password_is_set_and_kept_nowhere(self, driver: Any) -> None:
        spec = make_spec()
        before = await driver.spawn(spec, held=False)
        await driver.set_admin_password(spec.uuid, 1, "s3cret-word")
        assert await driver.guest_info(spec.uuid) == before
        assert "s3cret-word" not in await driver.console_output(spec.uuid)
        await driver.power_off(spec.uuid, 1)
        with pytest.raises(Conflict):
            await driver.set_admin_password(spec.uuid, 1, "s3cret-word")

    async def test_crash_dump(self, driver: Any) -> None:
        spec = make_spec()
        before = await driver.spawn(spec, held=False)
        await driver.inject_nmi(spec.uuid, 1)
        assert await driver.guest_info(spec.uuid) == before
        await driver.power_off(spec.uuid, 1)
        with pytest.raises(Conflict):
            await driver.inject_nmi(spec.uuid, 1)


class MigrateContract(Contract):
    """`other_driver`: a started driver of another host."""

    @pytest.fixture
    async def other_driver(self, make_other_driver: Callable[[], Any]) -> AsyncIterator[Any]:
        driver = make_other_driver()
        await driver.start()
        yield driver
        await driver.stop()

    async def test_move_and_confirm(self, driver: Any, other_driver: Any) -> None:
        spec = make_spec()
        moved = spec.model_copy(update={"generation": 2, "memory_mib": 1024})
        await driver.spawn(spec, held=False)
        for _ in range(2):
            await other_driver.prepare_destination(moved)
            await driver.migrate_out(spec.uuid, 1)
        assert (await other_driver.guest_info(spec.uuid)).phase is Phase.BUILDING
        left = await driver.guest_info(spec.uuid)
        assert (left.phase, left.power_state) == (Phase.MIGRATED_OUT, PowerState.SHUTDOWN)
        for _ in range(2):
            arrived = await other_driver.finish_migration(moved, PowerState.RUNNING, held=False)
            assert (arrived.phase, arrived.power_state) == (Phase.READY, PowerState.RUNNING)
        await driver.destroy(spec.uuid, 1)
        assert await driver.list_guests() == []

    async def test_what_was_left_behind_does_not_start_by_the_way(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        await driver.migrate_out(spec.uuid, 1)
        for call in (
            driver.reboot(spec.uuid, 1, "soft"),
            driver.spawn(spec),
            driver.spawn(spec, held=False),
        ):
            with pytest.raises(Conflict):
                await call
        with pytest.raises(NotFound):
            await driver.power_on(spec.uuid, 2)
        driver.hold(spec.uuid, "test")
        with pytest.raises(base.GuestHeld):
            await driver.power_on(spec.uuid, 1)
        assert (await driver.guest_info(spec.uuid)).phase is Phase.MIGRATED_OUT

    @pytest.mark.parametrize("verb", ["power_on", "reboot"])
    async def test_what_was_left_behind_goes_on_when_asked(self, driver: Any, verb: str) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        await driver.migrate_out(spec.uuid, 1)
        how = {"kind": "hard"} if verb == "reboot" else {}
        await getattr(driver, verb)(spec.uuid, 1, **how)
        back = await driver.guest_info(spec.uuid)
        assert (back.generation, back.phase, back.held) == (1, Phase.READY, False)
        assert back.power_state is PowerState.RUNNING

    async def test_arrives_and_comes_back_held(self, driver: Any, other_driver: Any) -> None:
        spec = make_spec()
        moved = spec.model_copy(update={"generation": 2})
        await driver.spawn(spec, held=False)
        await driver.migrate_out(spec.uuid, 1)
        arrived = await other_driver.finish_migration(moved)
        assert (arrived.hold.reason, arrived.power_state) == (base.MADE, PowerState.RUNNING)
        driver.hold(spec.uuid, "test")  # no obstacle
        await driver.revert_migration(spec.uuid, 1, new_generation=3)
        assert (await driver.guest_info(spec.uuid)).hold.reason == base.MADE
        await driver.revert_migration(spec.uuid, 1, new_generation=3, held=False)
        back = await driver.guest_info(spec.uuid)
        assert (back.generation, back.held) == (3, False)

    async def test_move_and_revert(self, driver: Any, other_driver: Any) -> None:
        spec = make_spec()
        moved = spec.model_copy(update={"generation": 2})
        await driver.spawn(spec, held=False)
        await driver.migrate_out(spec.uuid, 1)
        await other_driver.finish_migration(moved, PowerState.SHUTDOWN, held=False)
        assert await state_of(other_driver, spec.uuid) is PowerState.SHUTDOWN
        await other_driver.destroy(spec.uuid, 2)
        for _ in range(2):
            await driver.revert_migration(spec.uuid, 1, new_generation=3, power_on=True, held=False)
            back = await driver.guest_info(spec.uuid)
            assert (back.generation, back.phase) == (3, Phase.READY)
            assert back.power_state is PowerState.RUNNING

    async def test_a_host_is_not_both_ends(self, driver: Any) -> None:
        spec = make_spec()
        before = await driver.spawn(spec, held=False)
        moved = spec.model_copy(update={"generation": 2})
        with pytest.raises(Conflict):
            await driver.prepare_destination(moved)
        with pytest.raises(Conflict):
            await driver.finish_migration(moved, held=False)
        assert await driver.guest_info(spec.uuid) == before


class LiveMigrateContract(MigrateContract):
    async def test_live_move(self, driver: Any, other_driver: Any) -> None:
        spec = make_spec()
        moved = spec.model_copy(update={"generation": 2})
        await driver.spawn(spec, held=False)
        await other_driver.prepare_destination(moved)
        await driver.live_migrate(spec.uuid, 1)
        assert (await driver.guest_info(spec.uuid)).phase is Phase.MIGRATED_OUT
        await other_driver.finish_migration(moved, PowerState.PAUSED, held=False)
        assert await state_of(other_driver, spec.uuid) is PowerState.PAUSED

    async def test_no_live_migration_to_look_at(self, driver: Any) -> None:
        spec = make_spec()
        await driver.spawn(spec, held=False)
        for verb in ("progress", "abort", "force_complete"):
            with pytest.raises(NotFound):
                await getattr(driver, f"live_migration_{verb}")(spec.uuid)


class FencingContract(Contract):
    async def test_guests_of_an_earlier_life_are_held(self, make_driver: Callable[[], Any]) -> None:
        spec = make_spec()
        first = make_driver()
        await first.start()
        await first.spawn(spec, held=False)
        await first.crash()

        gaps: list[optional.Gap] = []
        second = make_driver()
        second.on_gap = gaps.append
        await second.start()
        try:
            assert [gap.number for gap in gaps] == [1]
            assert [guest.uuid for guest in second.held_guests()] == [spec.uuid]
            assert (await second.guest_info(spec.uuid)).power_state is PowerState.RUNNING
            for call in (second.power_off(spec.uuid, 1), second.reboot(spec.uuid, 1)):
                with pytest.raises(base.GuestHeld):
                    await call
            assert (await second.spawn(spec)).held  # it is there, and that is all
            for _ in range(2):
                second.release(spec.uuid, 1, as_of=second.holds)
                assert second.held_guests() == []
            await second.power_off(spec.uuid, 1)
        finally:
            await second.stop()
