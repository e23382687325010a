"""A host's clock and a host's id."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.errors import HostCommandFailed
from common.runtime.ports import Clock, Ids
from services.compute.freezing import HostClock
from services.compute.identity import load_host_id
from tests.integration.drivers.support import ManualClock, turns


async def test_a_sleep_does_not_end_while_frozen() -> None:
    clock = HostClock(Clock())
    clock.freeze()
    sleeping = asyncio.ensure_future(clock.sleep(0))
    await turns(50)
    assert clock.frozen
    assert not sleeping.done()
    clock.thaw()
    await sleeping


def test_time_goes_on_while_frozen() -> None:
    real = ManualClock()
    clock = HostClock(real)
    clock.freeze()
    before, wall = clock.monotonic(), clock.utcnow()
    real.jump(5)
    assert clock.monotonic() == before + 5
    assert (clock.utcnow() - wall).total_seconds() == 5


def test_host_id_is_made_once(tmp_path: Path) -> None:
    first = load_host_id(tmp_path, Ids())
    assert load_host_id(tmp_path, Ids()) == first
    (tmp_path / "other").mkdir()
    assert load_host_id(tmp_path / "other", Ids()) != first


@pytest.mark.parametrize("content", ["", "compute-1", "0000"])
def test_damaged_host_id_is_not_replaced_in_silence(tmp_path: Path, content: str) -> None:
    (tmp_path / "host_id").write_text(content)
    with pytest.raises(HostCommandFailed, match="host_id is no host id"):
        load_host_id(tmp_path, Ids())
    assert (tmp_path / "host_id").read_text() == content
