"""Which guests of a simulated host execute, from when to when.

Owns: the rule that a guest executes only by the ticks of its agent process, gaps between ticks,
holds, and the driver log that proves it.
May not: change a guest; it only looks at what guests want.
Crash story: a killed or frozen process runs no ticks, so its guests stopped at the last one. That
is written down by whatever runs first afterwards, and every guest is held: meanwhile it may have
been started on another host. Until released a held guest is `running` by name only. Holds are not
kept on disk, since the next life holds every guest.

A gap is the larger of what the wall clock and the monotonic clock say, since each of them misses
something (a clock set back, a suspended machine).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path

from common.runtime.ports import Clock
from services.compute.drivers.base import GuestHeld, Hold
from services.compute.drivers.optional import Gap
from services.compute.drivers.simulated.log import DriverLog
from services.compute.drivers.simulated.store import Guest


class Execution:
    """The executing and the held guests of one host."""

    def __init__(
        self,
        host: str,
        directory: Path,
        guests: Mapping[str, Guest],
        clock: Clock,
        fence_gap_s: float,
    ) -> None:
        self._guests = guests
        self._clock = clock
        self._fence_gap_s = fence_gap_s
        self._log = DriverLog(host, directory, clock)
        self._running: dict[str, int] = {}
        self.held: dict[str, Hold] = {}
        self.holds = 0
        """The newest ticket."""
        self.gaps = 0
        self.on_gap: Callable[[Gap], None] | None = None
        self._wall = self._mono = 0.0

    def open(self) -> None:
        """Begin; guests that were there before are held."""
        self._wall, self._mono = self.now(), self._clock.monotonic()
        alive = self._log.open()
        executed_until = self._wall if alive is None else min(alive, self._wall)
        self._log.write("host_started", None, None, executed_until=executed_until)
        self._log.mark_alive(self._wall)
        if self._guests:
            for guest in self._guests.values():
                if guest.wants_to_run:
                    self._log.write(
                        "stopped",
                        guest.uuid,
                        guest.generation,
                        t=executed_until,
                        reason="agent_restart",
                    )
            self._hold_all(executed_until, "agent_restart")

    def close(self, reason: str | None) -> None:
        """End; with a `reason` in good order, without one as a kill would."""
        if reason is not None:
            self.observe()
            for uuid, generation in list(self._running.items()):
                self._log.write("stopped", uuid, generation, reason=reason)
            self._log.mark_alive(self._wall)
        self._running.clear()
        self.held.clear()
        self._log.close()

    def now(self) -> float:
        return self._clock.utcnow().timestamp()

    def tick(self) -> None:
        """Guests have executed since the last tick, or have been frozen."""
        self.observe()
        self._log.mark_alive(self._wall)

    def observe(self) -> None:
        """Notice a gap. Must come before anything is done or believed on this host."""
        wall, mono = self.now(), self._clock.monotonic()
        last, frozen_s = self._wall, max(wall - self._wall, mono - self._mono)
        self._wall, self._mono = wall, mono
        if frozen_s > self._fence_gap_s:
            for uuid, generation in self._running.items():
                self._log.write("stopped", uuid, generation, t=last, reason="host_frozen")
            self._running.clear()
            self._hold_all(last, "host_frozen")

    def executes(self, uuid: str) -> bool:
        return uuid in self._running

    def update(self, guest: Guest, reason: str) -> None:
        """Let the guest execute or not, as it wants and may."""
        runs = guest.wants_to_run and guest.uuid not in self.held
        running = self._running.get(guest.uuid)
        if running is not None and (not runs or running != guest.generation):
            del self._running[guest.uuid]
            self._log.write("stopped", guest.uuid, running, reason=reason)
        if runs and running != guest.generation:
            self._running[guest.uuid] = guest.generation
            self._log.write("running", guest.uuid, guest.generation, reason=reason)

    def destroyed(self, guest: Guest) -> None:
        self._running.pop(guest.uuid, None)
        self.held.pop(guest.uuid, None)
        self._log.write("destroyed", guest.uuid, guest.generation)

    def hold(self, guest: Guest, reason: str) -> None:
        """Also one that is held: what was said of it before must not release it any more."""
        self.holds += 1
        held = guest.uuid in self.held
        self.held[guest.uuid] = Hold(self.holds, reason)
        if not held:
            self._running.pop(guest.uuid, None)
            self._log.write("held", guest.uuid, guest.generation, reason=reason)

    def release(self, guest: Guest, as_of: int) -> None:
        """Raises `GuestHeld` when it was held after `as_of`."""
        hold = self.held.get(guest.uuid)
        if hold is None:
            return
        if hold.ticket > as_of:
            raise GuestHeld(f"guest {guest.uuid} has been held since: {hold.reason}")
        del self.held[guest.uuid]
        self._log.write("released", guest.uuid, guest.generation)
        self.update(guest, "released")

    def _hold_all(self, since: float, reason: str) -> None:
        self.gaps += 1
        for guest in self._guests.values():
            self.hold(guest, reason)
        if self.on_gap is not None:
            utc = dt.UTC
            self.on_gap(
                Gap(
                    number=self.gaps,
                    since=dt.datetime.fromtimestamp(since, utc),
                    until=dt.datetime.fromtimestamp(self._wall, utc),
                    reason=reason,
                )
            )
