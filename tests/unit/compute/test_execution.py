"""Whatever asks for it, a held guest never begins to execute."""

from __future__ import annotations

from pathlib import Path

from common.domain.states import PowerState
from services.compute.drivers.base import Hold, Phase
from services.compute.drivers.simulated.execution import Execution
from services.compute.drivers.simulated.log import running_intervals
from services.compute.drivers.simulated.store import Guest
from tests.integration.drivers.support import ManualClock, make_spec


def test_update_respects_a_hold(tmp_path: Path) -> None:
    guest = Guest(make_spec(), Phase.READY, PowerState.RUNNING, 0.0)
    clock = ManualClock()
    execution = Execution("host-1", tmp_path, {guest.uuid: guest}, clock, fence_gap_s=2.0)
    execution.open()
    assert execution.held == {guest.uuid: Hold(1, "agent_restart")}
    execution.update(guest, "test")
    clock.jump(1)
    execution.tick()
    assert running_intervals([tmp_path / "driver.log"]) == {}
    execution.release(guest, as_of=1)
    clock.jump(1)
    execution.tick()
    assert len(running_intervals([tmp_path / "driver.log"])[guest.uuid]) == 1
    execution.close("test")
