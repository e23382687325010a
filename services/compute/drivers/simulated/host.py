"""One simulated host: its life, its guests and the way every verb is carried out.

Owns: start, stop, crash, ticks, holds, and `_run()`: faults, latency, gaps, then one synchronous
step that applies the verb. Because a verb waits first and applies in one step after looking again,
nothing needs a lock, and a destroy overtakes a spawn that still waits.
May not: say what a particular verb does; that is `driver.py`.
Crash story: each applied step is one file write (`store.py`); a verb that was still waiting never
happened, except that a spawn leaves a `BUILDING` guest which the repeated spawn finishes.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from common.config.settings import ComputeSettings
from common.errors import Conflict, HostCommandFailed, NotFound, StaleGeneration, Unavailable
from common.messages.compute import Resources
from common.runtime.ports import Clock, Random
from common.runtime.tasks import Tasks
from services.compute.drivers.base import GuestHeld, GuestInfo, Phase
from services.compute.drivers.optional import Gap
from services.compute.drivers.simulated.consoles import Consoles
from services.compute.drivers.simulated.drives import Drives
from services.compute.drivers.simulated.execution import Execution
from services.compute.drivers.simulated.store import Guest, GuestStore, host_directory
from services.compute.drivers.simulated.verbs import FAULTY, LATENCY, POWER_CHANGES
from services.compute.faults import Effect, FaultRegistry

TICK_S = 0.5
"""Longest time between two ticks; shorter when `fence_gap_s` asks for it."""

HISTORY_KEPT = 20
"""Console events kept per guest."""

HYPERVISOR_VERSION = 1_000_000

T = TypeVar("T")


class SimulatedHost:
    """Everything of a simulated host that is not a verb on a guest."""

    def __init__(
        self,
        host: str,
        settings: ComputeSettings,
        clock: Clock,
        *,
        faults: FaultRegistry | None = None,
    ) -> None:
        seed = settings.simulated.seed
        # Hosts of one seed must not jitter in step.
        self._random = Random(None if seed is None else seed + zlib.crc32(host.encode()))
        self.host = host
        self.faults = faults or FaultRegistry(clock, self._random, FAULTY)
        self.on_gap: Callable[[Gap], None] | None = None
        self.on_guest_event: Callable[[GuestInfo], None] | None = None
        self._model = settings.simulated
        self._clock = clock
        self._tasks = Tasks(clock)
        self._tick_s = min(TICK_S, settings.fence_gap_s / 4)
        directory = host_directory(settings.state_dir, host)
        self._store = GuestStore(directory)
        self._guests = self._store.guests
        self._drives = Drives(directory)
        self._execution = Execution(host, directory, self._guests, clock, settings.fence_gap_s)
        self._consoles = Consoles(self._execution.executes, clock)
        self._started = False
        self._booted_at = clock.utcnow()

    async def start(self) -> None:
        try:
            self._store.open(self._execution.now())
            self._drives.sweep(self._guests)
        except OSError as error:
            raise HostCommandFailed(
                f"cannot keep the state of host {self.host}: {error}; set compute.state_dir"
            ) from error
        self._started = True
        self._booted_at = self._clock.utcnow()
        self._execution.on_gap = self._gap
        self._execution.open()
        self._tasks.loop(f"tick-{self.host}", self._tick_s, self.tick)

    async def stop(self) -> None:
        self._close("agent_stopped")
        await self._consoles.stop()
        await self._tasks.stop()

    async def crash(self) -> None:
        self._close(None)
        await self._consoles.stop()
        await self._tasks.stop()

    async def tick(self) -> None:
        """Called by the driver itself every tick; a test with its own clock calls it too."""
        if self._started:
            self._execution.tick()

    async def resources(self) -> Resources:
        model = self._model
        cores = {"sockets": 1, "cores": model.vcpus, "threads": 1}
        return Resources(
            hypervisor_hostname=self.host,
            hypervisor_type="simulated",
            hypervisor_version=HYPERVISOR_VERSION,
            host_ip="127.0.0.1",
            vcpus=model.vcpus,
            memory_mib=model.memory_mib,
            disk_gib=model.disk_gib,
            reserved_memory_mib=model.reserved_memory_mib,
            cpu_info={
                "arch": "x86_64",
                "model": "simulated",
                "vendor": "Muster",
                "topology": cores,
                "features": [],
            },
            supported_instances=[["x86_64", "simulated", "hvm"]],
            running_guests=sum(guest.wants_to_run for guest in self._guests.values()),
            booted_at=self._booted_at,
        )

    async def list_guests(self) -> list[GuestInfo]:
        self._observe()
        return [self._info(guest) for guest in self._guests.values()]

    async def guest_info(self, uuid: str) -> GuestInfo:
        self._observe()
        return self._info(self._find(uuid))

    # Fencing

    @property
    def gaps(self) -> int:
        self._observe()
        return self._execution.gaps

    @property
    def holds(self) -> int:
        self._observe()
        return self._execution.holds

    def held_guests(self) -> list[GuestInfo]:
        self._observe()
        return [self._info(self._guests[uuid]) for uuid in sorted(self._execution.held)]

    def hold(self, uuid: str, reason: str) -> None:
        self._observe()
        if uuid in self._guests:
            self._execution.hold(self._guests[uuid], reason)

    def release(self, uuid: str, generation: int, *, as_of: int) -> None:
        self._observe()
        self._execution.release(self._find(uuid, generation), as_of)

    def simulate_guest_event(self, uuid: str, event: str) -> None:
        """The guest does `shutdown` or `crash` by itself; raises as the verbs do."""
        self._observe()
        self._change_power(self._usable(uuid, self._find(uuid).generation), event)
        if self.on_guest_event is not None:
            self.on_guest_event(self._info(self._find(uuid)))

    # How a verb is carried out

    async def _run(
        self,
        verb: str,
        uuid: str,
        apply: Callable[[], T],
        *,
        pretend: Callable[[], T],
        reserve: Callable[[], None] | None = None,
        wait: Callable[[float], Awaitable[None]] | None = None,
    ) -> T:
        """Let `verb` take its time (`wait`, when it is not the ordinary latency; it gets the
        seconds that a fault rule adds), then `apply`. `reserve` comes before the waiting, and
        `pretend` instead of all when a fault rule asks for a lie."""
        gaps = self._execution.gaps
        self._observe()
        rule = self.faults.fire(self.host, verb, uuid)
        extra_s = 0.0
        if rule is not None and rule.effect is Effect.DELAY:
            extra_s = rule.delay_s  # part of the verb: a live migration goes on in it
        elif rule is not None:
            await self.faults.suffer(rule, self._clock)
        self._refuse_after_gap(verb, gaps)
        if rule is not None and rule.effect is Effect.REPORTED_DONE_BUT_LOST:
            return pretend()
        try:
            if reserve is not None:
                reserve()
            await (self._take_time(verb, extra_s) if wait is None else wait(extra_s))
            self._refuse_after_gap(verb, gaps)
            result = apply()
        except OSError as error:
            raise HostCommandFailed(f"{verb} on host {self.host}: {error}") from error
        if rule is not None and rule.effect is Effect.DONE_BUT_REPORTED_FAILED:
            raise HostCommandFailed(rule.message)
        return result

    async def _take_time(
        self, verb: str, extra_s: float, *, longest_s: float | None = None, share: float = 1.0
    ) -> None:
        """Wait for `share` of what `verb` takes: its latency, at most `longest_s`, and
        `extra_s`."""
        jitter = self._random.uniform(-self._model.delay_jitter, self._model.delay_jitter)
        latency_s = self._model.spawn_delay_s * LATENCY[verb] * (1 + jitter)
        if longest_s is not None:
            latency_s = min(latency_s, longest_s)
        delay_s = (latency_s + extra_s) * share
        if delay_s > 0:
            await self._clock.sleep(delay_s)

    def _refuse_after_gap(self, verb: str, gaps: int) -> None:
        """A command from before a gap must not act after it: the server may live elsewhere by now.
        Only ending a generation is right at any time."""
        self._observe()
        if self._execution.gaps != gaps and verb != "destroy":
            raise GuestHeld(f"host {self.host} stood still during {verb}; nothing was done")

    def _observe(self) -> None:
        if not self._started:
            raise Unavailable(f"host {self.host} is not started")
        self._execution.observe()

    # Guests

    def _find(self, uuid: str, generation: int | None = None) -> Guest:
        guest = self._guests.get(uuid)
        newest = max(guest.generation if guest else -1, self._store.destroyed_generation(uuid))
        if generation is not None and generation < newest:
            raise StaleGeneration(
                f"generation {generation} of {uuid} is over on host {self.host}: {newest} was here"
            )
        if guest is None or (generation is not None and generation != guest.generation):
            raise NotFound(f"no such guest on host {self.host}: {uuid}")
        return guest

    def _present(self, uuid: str, generation: int, *phases: Phase) -> Guest:
        """The guest, held or not, in one of `phases`."""
        guest = self._find(uuid, generation)
        if guest.phase not in phases:
            raise Conflict(f"guest {uuid} is {guest.phase.value} on host {self.host}")
        return guest

    def _usable(self, uuid: str, generation: int, *phases: Phase) -> Guest:
        """The guest, in one of `phases` (made, unless others are given), and not held."""
        self._find(uuid, generation)
        if hold := self._execution.held.get(uuid):
            raise GuestHeld(f"guest {uuid} is held on host {self.host}: {hold.reason}")
        return self._present(uuid, generation, *phases or (Phase.READY,))

    def _change_power(self, guest: Guest, change_name: str) -> None:
        change = POWER_CHANGES[change_name]
        if guest.power_state is change.to and not change.repeats:
            return
        if guest.power_state not in change.start:
            raise Conflict(
                f"cannot {change_name} guest {guest.uuid}: it is {guest.power_state.name.lower()}"
            )
        power_state = guest.power_state if change.to is None else change.to
        self._settle(replace(guest, power_state=power_state), change.console)

    def _settle(self, guest: Guest, reason: str) -> None:
        """The one place where a guest changes: disk and memory, then execution and its log. A kill
        between disk and log is closed by the next life's `host_started` record."""
        before, now = self._guests[guest.uuid], self._execution.now()
        same = (before.phase, before.power_state) == (guest.phase, guest.power_state)
        history = (*before.history, (now, reason))[-HISTORY_KEPT:]
        guest = replace(guest, since=before.since if same else now, history=history)
        self._store.save(guest)
        self._execution.update(guest, reason)
        self._consoles.changed(guest)

    def _info(self, guest: Guest) -> GuestInfo:
        return GuestInfo(
            uuid=guest.uuid,
            generation=guest.generation,
            name=guest.spec.name,
            power_state=guest.power_state,
            since=dt.datetime.fromtimestamp(guest.since, dt.UTC),
            phase=guest.phase,
            hold=self._execution.held.get(guest.uuid),
            volumes=tuple((v.volume_id, v.attachment_id) for v in guest.spec.volumes),
            port_ids=tuple(interface.port_id for interface in guest.spec.interfaces),
        )

    def _gap(self, gap: Gap) -> None:
        if self.on_gap is not None:
            self.on_gap(gap)

    def _close(self, reason: str | None) -> None:
        if self._started:
            self._execution.close(reason)
            self._store.close()
            self._started = False
