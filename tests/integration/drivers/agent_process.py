"""A process that serves one simulated host, to be killed and frozen by tests.

`python -m tests.integration.drivers.agent_process DIR MODE`: `churn` makes and destroys guests
for ever; `slow` spawns guest SLOW_UUID, which takes an hour; `hold` runs guest HOLD_UUID, releases
it when a line comes in and stops at the next.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from common.runtime.ports import Clock, Ids
from services.compute.drivers.simulated import SimulatedDriver
from tests.integration.drivers.support import make_settings, make_spec

SLOW_UUID = "00000000-0000-4000-8000-000000000001"
HOLD_UUID = "00000000-0000-4000-8000-000000000002"
FENCE_GAP_S = 0.8


async def churn(driver: SimulatedDriver) -> None:
    ids = Ids()
    while True:
        for guest in driver.held_guests():
            driver.release(guest.uuid, guest.generation, as_of=driver.holds)
        for guest in (await driver.list_guests())[:2]:
            await driver.destroy(guest.uuid, guest.generation)
        for _ in range(3):
            spec = make_spec(str(ids.uuid()))
            await driver.spawn(spec, held=False)
            await driver.power_off(spec.uuid, 1)
            await driver.power_on(spec.uuid, 1)
        await asyncio.sleep(0)


async def main(directory: Path, mode: str) -> None:
    delay_s = 3600.0 if mode == "slow" else 0.0
    settings = make_settings(directory, spawn_delay_s=delay_s, fence_gap_s=FENCE_GAP_S)
    driver = SimulatedDriver("host-1", settings, Clock())
    await driver.start()
    if mode == "churn":
        await churn(driver)
    elif mode == "slow":
        await driver.spawn(make_spec(SLOW_UUID), held=False)
    else:
        await driver.spawn(make_spec(HOLD_UUID), held=False)
        await asyncio.to_thread(sys.stdin.readline)
        driver.release(HOLD_UUID, 1, as_of=driver.holds)
        await asyncio.to_thread(sys.stdin.readline)
        await driver.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
