"""`python -m services.compute` as operators run it: a process of its own on a real RabbitMQ."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from common.bus.rabbitmq import RabbitBus
from common.messages.compute import HostGoodbye
from common.runtime.ports import Clock, Random
from deploy.local.rabbitmq import PrivateRabbitMQ
from tests.integration.compute.support import Conductor, code, read_log
from tests.support.rabbitmq import settings_of
from tests.support.wait import wait_for

HOST = "process-1"
FENCE_GAP_S = 0.5
ROOT = Path(__file__).parents[3]


@pytest.fixture
async def conductor(rabbitmq: PrivateRabbitMQ) -> AsyncIterator[Conductor]:
    bus = RabbitBus(settings_of(rabbitmq), Clock(), Random(), "test")
    conductor = Conductor(bus, Clock())
    await bus.start()
    await conductor.start()
    yield conductor
    await bus.stop()


@asynccontextmanager
async def agent(
    rabbitmq: PrivateRabbitMQ, state_dir: Path, host: str = HOST
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of one agent; killed at the end unless it has ended."""
    bus = settings_of(rabbitmq)
    assert bus.password is not None
    environment = {
        **os.environ,
        "MUSTER_BUS__URL": bus.url,
        "MUSTER_BUS__PASSWORD": bus.password.get_secret_value(),
        "MUSTER_SERVICEGROUP__REPORT_INTERVAL_S": "0.1",
        "MUSTER_COMPUTE__HOST_NAME": host,
        "MUSTER_COMPUTE__STATE_DIR": str(state_dir),
        "MUSTER_COMPUTE__FENCE_GAP_S": str(FENCE_GAP_S),
        "MUSTER_COMPUTE__SIMULATED__SPAWN_DELAY_S": "0.01",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.compute",
        cwd=ROOT,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_killed_frozen_and_stopped(
    rabbitmq: PrivateRabbitMQ, conductor: Conductor, tmp_path: Path
) -> None:
    async with agent(rabbitmq, tmp_path):
        await wait_for(lambda: conductor.heartbeats(HOST), 20)
        over, mine = await conductor.spawn(HOST), await conductor.spawn(HOST)
    # Killed. A command waits in the queue of the dead host.
    answer = asyncio.ensure_future(conductor.tell("power_off", mine, host=HOST, patience_s=20))
    conductor.verdicts[over] = "destroy"
    beats = conductor.heartbeats(HOST)
    async with agent(rabbitmq, tmp_path) as process:
        assert (await answer).power_state == 4
        assert (await conductor.tell("power_on", mine, host=HOST)).power_state == 1
        await wait_for(lambda: conductor.heartbeats(HOST) > beats)
        assert read_log(tmp_path, over, HOST)[-3:] == ["stopped", "held", "destroyed"]

        # Frozen for longer than a gap.
        hellos = len(conductor.reports("hello", HOST))
        os.kill(process.pid, signal.SIGSTOP)
        conductor.verdicts[mine] = "destroy"
        gap_over = asyncio.get_running_loop().time() + FENCE_GAP_S + 0.2
        await wait_for(lambda: asyncio.get_running_loop().time() > gap_over)
        late = asyncio.ensure_future(conductor.tell("reboot", mine, host=HOST))
        os.kill(process.pid, signal.SIGCONT)
        assert code(await late) in {"not_found", "stale_generation"}
        assert len(conductor.reports("hello", HOST)) == hellos + 1
        assert read_log(tmp_path, mine, HOST)[-3:] == ["stopped", "held", "destroyed"]

        process.terminate()
        assert await process.wait() == 0
    await wait_for(lambda: conductor.all(HostGoodbye, HOST))


async def test_refused_with_one_line(
    rabbitmq: PrivateRabbitMQ, conductor: Conductor, tmp_path: Path
) -> None:
    conductor.refuse = lambda _: "another machine reports under this name"
    async with agent(rabbitmq, tmp_path, "process-2") as process:
        _, errors = await process.communicate()
        assert process.returncode == 1
        assert b"another machine reports under this name" in errors
        assert b"Traceback" not in errors


async def test_second_process_of_one_host(
    rabbitmq: PrivateRabbitMQ, conductor: Conductor, tmp_path: Path
) -> None:
    async with agent(rabbitmq, tmp_path, "process-3"):
        await wait_for(lambda: conductor.heartbeats("process-3"), 20)
        async with agent(rabbitmq, tmp_path, "process-3") as second:
            _, errors = await second.communicate()
            assert second.returncode == 1
            assert b"another agent already runs process-3" in errors
            assert b"Traceback" not in errors
