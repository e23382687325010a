"""What a host tells conductors about its guests, and what it is told about them.

Owns: reports and verdicts, and whether the truth is known (`known`): until a hello has been
answered and its verdicts are applied, at the start and after every gap, no command is served.
May not: destroy or release a guest without a verdict. `unknown` guests are left as they are.
Crash story: nothing is kept; the next life says hello again with every guest held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar, cast

import structlog

from common.bus.port import Bus, BusClosed, Unroutable
from common.bus.topology import CONDUCTOR
from common.config.settings import Settings
from common.errors import Conflict, MusterError, NotFound, StaleGeneration, Unavailable
from common.messages.compute import GuestReport, HostReport, HostVerdicts, Verdict
from common.runtime.ports import Random
from common.runtime.tasks import Tasks
from services.compute.drivers.base import Driver, Fencing, Gap, GuestHeld, GuestInfo
from services.compute.freezing import HostClock
from services.compute.metrics import GAPS, HELD, VERDICTS

log = structlog.get_logger(__name__)

RETRY_BASE_S = 0.2
RETRY_CAP_S = 5.0
"""Pauses between two attempts to reach a conductor: doubling, at most this, half of it random."""
REASK_S = 2.0
"""How soon a host asks again while a verdict is open."""
REFUSED_RETRY_S = 10.0
CONCURRENT_DESTROYS = 16

Kind = Literal["hello", "inventory"]
T = TypeVar("T")


class Refused(Conflict):
    """The conductor does not take this agent's reports."""


class Reports:
    """The conversation of one host (one `epoch`) with conductors; one report at a time."""

    def __init__(
        self,
        host: str,
        host_id: str,
        epoch: str,
        *,
        driver: Driver,
        bus: Bus,
        clock: HostClock,
        random: Random,
        tasks: Tasks,
        settings: Settings,
    ) -> None:
        self._host = host
        self._host_id = host_id
        self._epoch = epoch
        self._driver = driver
        self._fencing = cast(Fencing, driver) if driver.capabilities.fencing else None
        self._bus = bus
        self._clock = clock
        self._random = random
        self._tasks = tasks
        self._call_timeout_s = settings.bus.call_timeout_s
        self._interval_s = settings.compute.inventory_interval_s
        self._lock = asyncio.Lock()
        self._due = asyncio.Event()
        self._told = asyncio.Event()
        self._questions: dict[str, tuple[GuestReport, asyncio.Future[Verdict]]] = {}
        self._unknown: set[str] = set()
        self.known = asyncio.Event()
        self.undecided: set[str] = set()
        """Guests that are held until a later verdict."""
        self.refused: str | None = None
        """Why nothing is served although a conductor answers."""

    # What commands and heartbeats ask for

    def gaps(self) -> int:
        """Notice a gap if there was one; how many there were."""
        return 0 if self._fencing is None else self._fencing.gaps

    async def truth(self) -> int:
        """Return when the host runs and the truth is known, with the number of gaps until then."""
        while True:
            await self._clock.passage()
            gaps = self.gaps()
            if self.known.is_set():
                return gaps
            await self.known.wait()

    async def told(self) -> None:
        """Wait for the next verdicts."""
        await self._told.wait()

    async def confirm(self, pending: GuestReport) -> Verdict:
        """What the truth says now about a guest that a command wants to make here."""
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._questions[pending.uuid] = (pending, answer)
        try:
            async with self._lock:
                if not answer.done():  # else it was asked together with another
                    await self._until_answered(self._ask_questions)
            return answer.result()
        except Refused as error:
            self._due.set()
            raise Unavailable(f"this host is not registered: {error}") from error
        finally:
            if self._questions.get(pending.uuid, (None, None))[1] is answer:
                del self._questions[pending.uuid]

    async def let_go(self, question: GuestReport) -> bool:
        """Release a held guest for the command of the workflow that owns it: what was undecided is
        decided by that command. False: the truth does not want that (yet)."""
        gaps = self.gaps()
        if await self.confirm(question) != "keep":
            return False
        try:
            present = await self._driver.guest_info(question.uuid)
        except NotFound:
            return True
        self.undecided.discard(question.uuid)
        self._release(present, gaps)
        return True

    async def fence(self, uuid: str) -> None:
        """Stop letting the guest execute: it is about to run elsewhere. The verdicts of the next
        reports say what becomes of it."""
        if self._fencing is not None:
            self._fencing.hold(uuid, "fenced")
            self.undecided.add(uuid)

    # What makes the host report

    def gap(self, gap: Gap) -> None:
        """The driver's signal; every guest is held by now."""
        GAPS.inc()
        self.known.clear()
        self._due.set()
        self._count_held()
        log.warning("host_stood_still", gap=gap.number, reason=gap.reason, since=str(gap.since))

    def soon(self) -> None:
        """Report now instead of at the end of the interval."""
        self._due.set()

    async def hello(self) -> None:
        """Register and apply the verdicts on all guests; raises `Refused`."""
        asked_at = -1
        while asked_at != self.gaps():  # a gap meanwhile: the verdicts are of before it
            asked_at = self.gaps()
            await self._report("hello")
        self.known.set()

    async def run(self) -> None:
        """Report again and again, for as long as the host lives."""
        while True:
            wait_s = self._interval_s
            if self.undecided or not self.known.is_set():
                wait_s = min(wait_s, REFUSED_RETRY_S if self.refused else REASK_S)
            await self._wait_until_due(wait_s * self._random.uniform(0.8, 1.2))
            try:
                await self._turn()
            except MusterError as error:
                log.warning("report_failed", error=repr(error))

    async def _turn(self) -> None:
        await self._clock.passage()
        self.gaps()  # one that is noticed here makes it a hello
        if self.known.is_set():
            try:
                await self._report("inventory")
                return
            except Refused as error:  # perhaps this host was merely forgotten
                log.warning("inventory_refused", reason=str(error))
                self.known.clear()
        try:
            await self.hello()
        except Refused as error:
            # To end the process would take its other hosts along. Nothing more is served under a
            # name that is another's, and guests stay as they are: nobody has said they are over.
            if self.refused is None:
                log.error("agent_refused", reason=str(error))
            self.refused = str(error)
        else:
            self.refused = None

    async def _wait_until_due(self, seconds: float) -> None:
        def over(timer: asyncio.Task[None]) -> None:
            if not timer.cancelled():
                self._due.set()

        timer = self._tasks.spawn("report timer", self._clock.sleep(seconds))
        timer.add_done_callback(over)
        try:
            await self._due.wait()
        finally:
            timer.cancel()
        self._due.clear()

    # One report

    async def _report(self, kind: Kind) -> None:
        """Tell all guests and apply what comes back."""
        async with self._lock:
            guests, gaps, answer = await self._until_answered(lambda: self._tell_all(kind))
            await self._apply(guests, answer.verdicts, gaps)
            told, self._told = self._told, asyncio.Event()
            told.set()

    async def _tell_all(self, kind: Kind) -> tuple[list[GuestInfo], int, HostVerdicts]:
        gaps = self.gaps()
        guests = await self._driver.list_guests()
        answer = await self._ask(
            kind,
            [
                GuestReport(
                    uuid=guest.uuid,
                    generation=guest.generation,
                    power_state=guest.power_state,
                    held=guest.held,
                )
                for guest in guests
            ],
        )
        return guests, gaps, answer

    async def _ask_questions(self) -> None:
        """Answer everything that waits in `confirm`, as one report of those guests only."""
        asked = dict(self._questions)
        answer = await self._ask("inventory", [pending for pending, _ in asked.values()])
        for uuid, (_, future) in asked.items():
            if not future.done():
                future.set_result(answer.verdicts.get(uuid, "hold"))

    async def _ask(self, kind: Kind, guests: Sequence[GuestReport]) -> HostVerdicts:
        report = HostReport(
            kind=kind,
            host=self._host,
            host_id=self._host_id,
            epoch=self._epoch,
            resources=await self._driver.resources(),
            guests=list(guests),
        )
        answer = await self._bus.call(CONDUCTOR, report, timeout_s=self._call_timeout_s)
        await self._clock.passage()
        if not isinstance(answer, HostVerdicts):
            raise Unavailable(f"a conductor answered a report with {answer.TYPE}")
        if not answer.accepted:
            raise Refused(answer.reason or "the conductor does not say why")
        return answer

    async def _until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """`ask` afresh, since guests change, until a conductor answers."""
        pause_s = RETRY_BASE_S
        while True:
            await self._clock.passage()
            try:
                return await ask()
            except (Unavailable, BusClosed, Unroutable) as error:
                log.warning("conductor_does_not_answer", error=str(error), again_in_s=pause_s)
            await self._clock.sleep(pause_s * self._random.uniform(0.5, 1.0))
            pause_s = min(RETRY_CAP_S, pause_s * 2)

    # Verdicts

    async def _apply(
        self, guests: Sequence[GuestInfo], verdicts: dict[str, Verdict], gaps: int
    ) -> None:
        doomed, unknown = [], set()
        self.undecided = set()
        for guest in guests:
            verdict = verdicts.get(guest.uuid)
            VERDICTS.labels(verdict=verdict or "none").inc()
            match verdict:
                case "keep":
                    self._release(guest, gaps)
                case "hold":
                    await self._hold(guest, "undecided")
                    self.undecided.add(guest.uuid)
                case "destroy":
                    await self._hold(guest, "generation_over")
                    doomed.append(guest)
                case "unknown":
                    unknown.add(guest.uuid)
                case None if guest.held:
                    self.undecided.add(guest.uuid)
        for uuid in unknown - self._unknown:
            log.warning("guest_unknown", server=uuid, note="left as it is; nobody knows it")
        self._unknown = unknown
        await self._destroy(doomed)
        self._count_held()

    def _count_held(self) -> None:
        if self._fencing is not None:
            HELD.labels(host=self._host).set(len(self._fencing.held_guests()))

    def _release(self, guest: GuestInfo, gaps: int) -> None:
        if self._fencing is None:
            return
        try:
            self._fencing.release(guest.uuid, guest.generation, gaps=gaps)
        except (NotFound, StaleGeneration):
            pass  # a command has replaced or destroyed it since the report
        except GuestHeld:
            pass  # a gap since the report; its signal has asked for another hello

    async def _hold(self, guest: GuestInfo, reason: str) -> None:
        """Hold it if it still is the guest that was reported."""
        if self._fencing is None:
            return
        try:
            present = await self._driver.guest_info(guest.uuid)
        except NotFound:
            return
        if present.generation == guest.generation:
            self._fencing.hold(guest.uuid, reason)

    async def _destroy(self, doomed: Sequence[GuestInfo]) -> None:
        """End generations that are over, then report that, so that moves can be completed."""
        if not doomed:
            return
        limit = asyncio.Semaphore(CONCURRENT_DESTROYS)

        async def destroy(guest: GuestInfo) -> None:
            async with limit:
                log.warning("guest_destroyed", server=guest.uuid, generation=guest.generation)
                try:
                    await self._driver.destroy(guest.uuid, guest.generation)
                except MusterError as error:
                    # It stays held and is reported, and judged, again.
                    self.undecided.add(guest.uuid)
                    log.error("destroy_failed", server=guest.uuid, error=str(error))

        await asyncio.gather(*(destroy(guest) for guest in doomed))
        self._due.set()
