"""The simulated driver in a real process that is killed or frozen by the operating system."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.domain.states import PowerState
from common.errors import StaleGeneration
from common.runtime.ports import Clock
from services.compute.drivers.base import Phase
from services.compute.drivers.simulated import SimulatedDriver
from services.compute.drivers.simulated.log import overlaps, read_alive, running_intervals
from tests.integration.drivers.agent_process import FENCE_GAP_S, HOLD_UUID, SLOW_UUID
from tests.integration.drivers.support import make_settings, make_spec, wait_until

REPOSITORY = Path(__file__).parents[3]

Launch = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    started: list[subprocess.Popen[bytes]] = []

    def start(mode: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.integration.drivers.agent_process"]
        process = subprocess.Popen(
            [*command, str(tmp_path), mode], cwd=REPOSITORY, stdin=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def events(path: Path) -> list[str]:
    return [record["event"] for record in records(path)] if path.exists() else []


def is_larger(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size > size


async def test_kill_in_the_middle_of_a_spawn(tmp_path: Path, launch: Launch) -> None:
    process = launch("slow")
    await wait_until((tmp_path / "host-1/guests" / f"{SLOW_UUID}.json").exists)
    kill(process)

    driver = SimulatedDriver("host-1", make_settings(tmp_path), Clock())
    await driver.start()
    half_made = await driver.guest_info(SLOW_UUID)
    assert (half_made.phase, half_made.power_state) == (Phase.BUILDING, PowerState.PENDING)
    assert half_made.held
    driver.release(SLOW_UUID, 1, as_of=driver.holds)
    assert "running" not in events(tmp_path / "host-1/driver.log")

    finished = await driver.spawn(make_spec(SLOW_UUID), held=False)
    assert (finished.phase, finished.power_state) == (Phase.READY, PowerState.RUNNING)
    await driver.stop()


async def test_a_half_made_guest_can_be_destroyed(tmp_path: Path, launch: Launch) -> None:
    process = launch("slow")
    await wait_until((tmp_path / "host-1/guests" / f"{SLOW_UUID}.json").exists)
    kill(process)

    driver = SimulatedDriver("host-1", make_settings(tmp_path), Clock())
    await driver.start()
    await driver.destroy(SLOW_UUID, 1)
    assert await driver.list_guests() == []
    with pytest.raises(StaleGeneration):
        await driver.spawn(make_spec(SLOW_UUID), held=False)
    await driver.stop()


@pytest.mark.parametrize("life", range(4))
async def test_kill_at_any_point_leaves_a_readable_host(
    tmp_path: Path, launch: Launch, life: int
) -> None:
    """Each life is killed after another number of records, so at another point of the churn."""
    log = tmp_path / "host-1/driver.log"
    for size in (3000 + 977 * life, 90_000 + 1013 * life):
        process = launch("churn")
        await wait_until(functools.partial(is_larger, log, size))
        kill(process)

    driver = SimulatedDriver("host-1", make_settings(tmp_path), Clock())
    await driver.start()
    guests = await driver.list_guests()
    assert guests
    assert all(guest.held for guest in guests)
    on_disk = {path.name for path in (tmp_path / "host-1/guests").iterdir()}
    assert on_disk == {f"{guest.uuid}.json" for guest in guests}
    ended = running_intervals([log])
    alive = read_alive(tmp_path / "host-1")
    assert alive is not None
    assert len(ended) > 3
    assert all(interval.end <= alive for found in ended.values() for interval in found)
    for guest in guests:
        await driver.destroy(guest.uuid, guest.generation)
    assert list((tmp_path / "host-1/guests").iterdir()) == []
    await driver.stop()


async def test_a_frozen_process_thaws_with_its_guests_held(tmp_path: Path, launch: Launch) -> None:
    log = tmp_path / "host-1/driver.log"
    process = launch("hold")
    await wait_until(lambda: "running" in events(log))
    first_alive = read_alive(tmp_path / "host-1")
    await wait_until(lambda: read_alive(tmp_path / "host-1") != first_alive)

    os.kill(process.pid, signal.SIGSTOP)
    frozen = time.time()
    await wait_until(lambda: time.time() > frozen + 2 * FENCE_GAP_S)
    os.kill(process.pid, signal.SIGCONT)
    thawed = time.time()
    await wait_until(lambda: "held" in events(log))

    stopped = next(record for record in records(log) if record["event"] == "stopped")
    assert (stopped["uuid"], stopped["reason"]) == (HOLD_UUID, "host_frozen")
    assert frozen - FENCE_GAP_S < stopped["t"] <= frozen

    assert process.stdin is not None
    process.stdin.write(b"release\n")
    process.stdin.flush()
    await wait_until(lambda: events(log).count("running") == 2)
    process.stdin.write(b"stop\n")
    process.stdin.flush()
    assert process.wait(10) == 0
    first, second = running_intervals([log])[HOLD_UUID]
    assert first.end == stopped["t"]
    assert second.start >= thawed

    # The proof that chaos experiments rest on: running elsewhere meanwhile is no overlap, running
    # elsewhere a moment too early is.
    elsewhere = first._replace(host="host-2", generation=2, start=frozen, end=thawed)
    assert overlaps({HOLD_UUID: [first, elsewhere, second]}) == []
    early = elsewhere._replace(start=(first.start + first.end) / 2)
    assert [o.first.host for o in overlaps({HOLD_UUID: [first, early, second]})] == ["host-1"]
