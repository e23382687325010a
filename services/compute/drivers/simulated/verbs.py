"""The verbs of a simulated host as data: how long each takes and what it does to a guest.

Owns: the latency table and the table of power changes. May not: do anything.
Crash story: none; these are constants.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.domain.states import PowerState

LATENCY: dict[str, float] = {
    "spawn": 1.0,
    "destroy": 0.25,
    "power_on": 0.5,
    "power_off": 0.4,
    "reboot": 0.6,
    "pause": 0.05,
    "unpause": 0.05,
    "suspend": 0.5,
    "resume": 0.5,
    "rescue": 0.8,
    "unrescue": 0.6,
    "snapshot": 1.0,
    "set_admin_password": 0.1,
    "inject_nmi": 0.1,
    "prepare_destination": 0.1,
    "migrate_out": 1.0,
    "finish_migration": 0.8,
    "revert_migration": 0.6,
    "live_migrate": 3.0,
    "attach_volume": 0.2,
    "detach_volume": 0.2,
    "swap_volume": 0.5,
    "extend_volume": 0.1,
    "cache_images": 1.0,
    "snapshot_volume": 0.3,
    "delete_volume_snapshot": 0.5,
    "attach_interface": 0.2,
    "detach_interface": 0.2,
    "console_output": 0.0,
}
"""Mean duration of each verb in multiples of `spawn_delay_s`."""

FAULTY = frozenset(LATENCY)
"""The verbs that a fault rule can hit."""

ANY = frozenset(PowerState)


@dataclass(frozen=True)
class PowerChange:
    """A guest in a power state of `start` goes to `to` (None: stays as it is); one that is in `to`
    already is left alone unless `repeats`. `console` names the text it leaves on the console.
    `revives`: it may be one that a move has left behind, which goes on here then."""

    start: frozenset[PowerState]
    to: PowerState | None
    console: str
    repeats: bool = False
    revives: bool = False


_OFF = frozenset({PowerState.SHUTDOWN, PowerState.CRASHED})
_RUNNING = frozenset({PowerState.RUNNING})

POWER_CHANGES: dict[str, PowerChange] = {
    "power_on": PowerChange(_OFF | {PowerState.PENDING}, PowerState.RUNNING, "boot", revives=True),
    "power_off": PowerChange(ANY, PowerState.SHUTDOWN, "shutdown"),
    "reboot_soft": PowerChange(_RUNNING, PowerState.RUNNING, "reboot", repeats=True),
    "reboot_hard": PowerChange(ANY, PowerState.RUNNING, "boot", repeats=True, revives=True),
    "pause": PowerChange(_RUNNING, PowerState.PAUSED, "pause"),
    "unpause": PowerChange(frozenset({PowerState.PAUSED}), PowerState.RUNNING, "unpause"),
    "suspend": PowerChange(_RUNNING, PowerState.SUSPENDED, "suspend"),
    "resume": PowerChange(frozenset({PowerState.SUSPENDED}), PowerState.RUNNING, "resume"),
    "set_admin_password": PowerChange(_RUNNING, None, "password"),
    "inject_nmi": PowerChange(_RUNNING | {PowerState.PAUSED}, None, "nmi"),
    # What a guest does by itself.
    "shutdown": PowerChange(_RUNNING, PowerState.SHUTDOWN, "shutdown"),
    "crash": PowerChange(_RUNNING, PowerState.CRASHED, "panic"),
}
