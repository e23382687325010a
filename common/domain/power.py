"""Which power state of a guest does not go with the state of its server.

Owns: the table. May not: do anything about it; services/conductor/power.py does.
Crash story: none, a table.
"""

from __future__ import annotations

from collections.abc import Mapping

from common.domain.states import PowerState, VmState

_OFF = (PowerState.SHUTDOWN, PowerState.CRASHED)

STOPPED: Mapping[tuple[VmState, PowerState], bool] = {
    **{(state, off): True for state in (VmState.ACTIVE, VmState.PAUSED) for off in _OFF},
    (VmState.STOPPED, PowerState.RUNNING): True,
    (VmState.STOPPED, PowerState.PAUSED): True,
    (VmState.STOPPED, PowerState.SUSPENDED): True,
    (VmState.ACTIVE, PowerState.PAUSED): False,
    (VmState.ACTIVE, PowerState.SUSPENDED): False,
    (VmState.PAUSED, PowerState.RUNNING): False,
    (VmState.SUSPENDED, PowerState.RUNNING): False,
}
"""Pairs that do not go together; True: the server is stopped, False: it is only reported. No guest
is started by itself: whoever shut it down meant it."""
