"""What the driver tests share: guests to make, a clock that only moves when told, waiting."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from common.config.settings import ComputeSettings, SimulatedDriverSettings
from common.messages.compute import GuestSpec, NetworkInterface
from common.runtime.ports import Clock


def make_spec(uuid_: str | None = None, *, generation: int = 1, power_on: bool = True) -> GuestSpec:
    return GuestSpec(
        uuid=uuid_ or str(uuid.uuid4()),
        generation=generation,
        name="web-1",
        hostname="web-1",
        project_id="p",
        user_id="u",
        vcpus=2,
        memory_mib=512,
        root_gib=1,
        image_id="cirros",
        interfaces=[
            NetworkInterface(
                port_id="port",
                mac_address="fa:16:3e:00:00:01",
                network_id="net",
                fixed_ips=["10.0.0.7"],
            )
        ],
        power_on=power_on,
    )


def make_settings(
    state_dir: Path, *, spawn_delay_s: float = 0.0, fence_gap_s: float = 60.0
) -> ComputeSettings:
    simulated = SimulatedDriverSettings(spawn_delay_s=spawn_delay_s, delay_jitter=0, seed=7)
    return ComputeSettings(state_dir=state_dir, fence_gap_s=fence_gap_s, simulated=simulated)


class ManualClock(Clock):
    """Wall and monotonic time that `advance` moves; sleepers wake when their time has come."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.mono = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        return self.mono

    def utcnow(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.wall, dt.UTC)

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.mono + seconds, future))
        await future

    def jump(self, seconds: float) -> None:
        """Time passes and nobody runs, as in a frozen process."""
        self.wall += seconds
        self.mono += seconds

    async def advance(self, seconds: float, step: float = 0.25) -> None:
        """Time passes in steps in which everybody who is due runs."""
        for _ in range(round(seconds / step)):
            self.jump(step)
            await self.wake()

    async def wake(self) -> None:
        """Run everybody whose time has come."""
        due = [future for when, future in self._sleepers if when <= self.mono]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > self.mono]
        for future in due:
            if not future.done():
                future.set_result(None)
        await turns()


async def turns(count: int = 10) -> None:
    """Let everything that can run without time passing do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def wait_until(condition: Callable[[], object], deadline_s: float = 20.0) -> None:
    """Return when `condition()` is true; fail the test at the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        await asyncio.sleep(0.01)
