"""What a host tells conductors about its guests, and what it is told about them.

Owns: reports and questions, and whether the truth is known (`known`): until a hello has been
answered and its verdicts are applied, at the start, after every gap and after every loss of the
link to the broker, no command is served. Guests that are not held run on meanwhile.
May not: carry out a verdict; `holds.py` does.
Crash story: nothing is kept; the next life says hello again with every guest held.

A host reports when it is asked to (`HostRecheck`), when its truth may be out of date, and every few
seconds while a guest is undecided. There is no other timer: heartbeats carry a hash of the
inventory, and a conductor asks when that is news to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple, TypeVar, cast

import structlog

from common.bus.port import Bus, BusClosed, Unroutable
from common.bus.topology import HOSTS
from common.config.settings import Settings
from common.errors import Conflict, NotFound, Unavailable
from common.messages.compute import (
    GuestRelease,
    GuestReport,
    HostReport,
    HostVerdicts,
    Resources,
    Verdict,
)
from common.runtime.ports import Random
from common.runtime.tasks import Tasks
from services.compute.drivers.base import Driver, GuestInfo
from services.compute.drivers.optional import Fencing, Gap
from services.compute.freezing import HostClock
from services.compute.holds import REASK_S, Holds
from services.compute.inventory import Inventory
from services.compute.link import Link
from services.compute.metrics import GAPS

log = structlog.get_logger(__name__)

RETRY_BASE_S = 0.2
RETRY_CAP_S = 5.0
"""Pauses between two attempts to reach a conductor: doubling, at most this, half of it random."""
REFUSED_RETRY_S = 10.0

Kind = Literal["hello", "inventory", "question"]
T = TypeVar("T")


class Refused(Conflict):
    """The conductor does not take this agent's reports."""


class Moment(NamedTuple):
    """When something was known: after that many gaps, on that connection, up to that hold."""

    gaps: int
    connections: int
    holds: int

    def unbroken(self, since: Moment) -> bool:
        """Whether the host has been in touch from `since` until now."""
        return (self.gaps, self.connections) == (since.gaps, since.connections)


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
        spread_s: float,
        at_once: asyncio.Semaphore,
    ) -> None:
        """After an outage of the broker the host reports at a random time within `spread_s`; hosts
        that share `at_once` do not all report at the same moment, e.g. after a gap of theirs."""
        self._at_once = at_once
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
        self.fresh_s = settings.compute.fence_gap_s
        """What was sent longer ago than this is believed only when asked about."""
        self.holds = Holds(host, driver=driver, clock=clock, random=random, on_open=self._arm)
        self.link = Link(
            host,
            bus,
            clock=clock,
            random=random,
            tasks=tasks,
            spread_s=spread_s,
            on_lost=self._cut_off,
            on_back=self.soon,
        )
        self._inventory = Inventory()
        self._lock = asyncio.Lock()
        self._due = asyncio.Event()
        self._timer: asyncio.Task[None] | None = None
        self._retry_at: float | None = None
        self._told = asyncio.Event()
        self._questions: dict[str, tuple[GuestReport, asyncio.Future[Verdict]]] = {}
        self.known = asyncio.Event()
        self.refused: str | None = None
        """Why nothing is served although a conductor answers."""

    # What commands and heartbeats ask for

    def now(self) -> Moment:
        """This moment; a gap or a lost link that nobody has noticed yet is noticed here."""
        connections = self.link.look()
        gaps = 0 if self._fencing is None else self._fencing.gaps
        return Moment(gaps, connections, self._driver.holds)

    async def truth(self) -> Moment:
        """Return when the host runs and the truth is known: that moment."""
        while True:
            await self._clock.passage()
            now = self.now()
            if self.known.is_set():
                return now
            await self.known.wait()

    async def told(self) -> None:
        """Wait for the next verdicts."""
        await self._told.wait()

    async def confirm(self, question: GuestReport) -> Verdict:
        """What the truth says now about one guest, which need not be here yet."""
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._questions[question.uuid] = (question, answer)
        try:
            async with self._lock:
                if not answer.done():  # else it was asked together with another
                    await self._until_answered(self._ask_questions)
            return answer.result()
        except Refused as error:
            self._due.set()
            raise Unavailable(f"this host is not registered: {error}") from error
        finally:
            if self._questions.get(question.uuid, (None, None))[1] is answer:
                del self._questions[question.uuid]

    async def let_go(self, uuid: str, workflow_id: int) -> Verdict:
        """Ask whether a held guest may execute, for a command that needs it to, and let it if so.
        Anything but "keep": it is held still."""
        as_of = self.now().holds
        try:
            guest = await self._driver.guest_info(uuid)
        except NotFound:
            return "keep"  # the command will find that out
        if not guest.held:
            return "keep"
        question = _reported(guest).model_copy(update={"workflow_id": workflow_id})
        verdict = await self.confirm(question)
        if verdict == "keep" and not self.holds.release(guest, as_of):
            verdict = "hold"  # held again while the answer was on its way
        if verdict == "hold":
            self.holds.watch(uuid)
        elif verdict == "destroy":
            self.soon()
        return verdict

    async def fence(self, uuid: str) -> None:
        """Stop letting the guest execute. The verdicts of the next reports say what becomes of it;
        that of a report under way is not about this hold."""
        self.holds.fence(uuid)

    async def inventory(self, resources: Resources) -> str:
        """What a report of this moment would say, as a hash."""
        return self._inventory.digest(await self._driver.list_guests(), resources)

    # What makes the host report

    def gap(self, gap: Gap) -> None:
        """The driver's signal; every guest is held by now."""
        GAPS.inc()
        self.known.clear()
        self._due.set()
        self.holds.count()
        log.warning("host_stood_still", gap=gap.number, reason=gap.reason, since=str(gap.since))

    def _cut_off(self) -> None:
        """The truth may change unheard from now on, and commands may wait in the queue. `Link`
        says when to ask again."""
        self.known.clear()

    def release(self, event: GuestRelease) -> None:
        """The guest is the server's now. Whatever makes that doubtful makes the host ask instead,
        which comes to the same a little later."""
        self.now()
        age_s = abs((self._clock.utcnow() - event.sent_at).total_seconds())
        believed = self.known.is_set() and age_s <= self.fresh_s
        if not (believed and self.holds.release_made(event.server_uuid, event.generation)):
            self.soon()

    def soon(self) -> None:
        """Report now."""
        self._due.set()

    async def hello(self) -> None:
        """Register and apply the verdicts on all guests; raises `Refused`."""
        while True:
            before = self.now()
            await self._report("hello")
            if self.now().unbroken(before):
                break  # else the verdicts are of before a gap or an outage
        self.known.set()

    async def run(self) -> None:
        """Report whenever it is time, for as long as the host lives."""
        while True:
            self._arm()
            await self._due.wait()
            self._due.clear()
            again = False
            try:
                await self._turn()
            except Exception as error:  # whatever it is, guests wait for the next report
                log.warning("report_failed", error=repr(error))
                again = True
            retry_s = REFUSED_RETRY_S if self.refused else REASK_S
            retry_at = self._clock.monotonic() + retry_s * self._random.uniform(0.8, 1.2)
            self._retry_at = None if self.known.is_set() and not again else retry_at

    async def _turn(self) -> None:
        await self._clock.passage()
        self.now()  # a gap or an outage that is noticed here makes it a hello
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

    def _arm(self) -> None:
        """Have a timer if something waits for another report, and only then."""
        if self._due_in_s() is not None and (self._timer is None or self._timer.done()):
            self._timer = self._tasks.spawn(f"ask again {self._host}", self._remind())

    async def _remind(self) -> None:
        while (wait_s := self._due_in_s()) is not None:
            if wait_s <= 0:
                self._due.set()
                return
            await self._clock.sleep(wait_s)

    def _due_in_s(self) -> float | None:
        if self._retry_at is not None:
            return max(0.0, self._retry_at - self._clock.monotonic())
        return self.holds.due_in_s

    # One report

    async def _report(self, kind: Kind) -> None:
        """Tell all guests and apply what comes back."""
        async with self._lock:
            guests, as_of, answer = await self._until_answered(lambda: self._tell_all(kind))
            if await self.holds.apply(guests, answer.verdicts, as_of):
                self._due.set()  # what is gone is told, so that moves can be completed
            told, self._told = self._told, asyncio.Event()
            told.set()

    async def _tell_all(self, kind: Kind) -> tuple[list[GuestInfo], int, HostVerdicts]:
        async with self._at_once:
            as_of = self.now().holds
            guests = await self._driver.list_guests()
            resources = await self._driver.resources()
            answer = await self._ask(
                kind,
                [_reported(guest) for guest in guests],
                resources,
                inventory=self._inventory.digest(guests, resources),
            )
        await self._clock.passage()  # not above: a frozen host is not to keep others waiting
        return guests, as_of, answer

    async def _ask_questions(self) -> None:
        """Answer everything that waits in `confirm`, as one report of those guests only."""
        asked = dict(self._questions)
        questions = [question for question, _ in asked.values()]
        answer = await self._ask("question", questions, await self._driver.resources())
        await self._clock.passage()
        for uuid, (_, future) in asked.items():
            if not future.done():
                future.set_result(answer.verdicts.get(uuid, "hold"))

    async def _ask(
        self,
        kind: Kind,
        guests: Sequence[GuestReport],
        resources: Resources,
        *,
        inventory: str | None = None,
    ) -> HostVerdicts:
        report = HostReport(
            kind=kind,
            host=self._host,
            host_id=self._host_id,
            epoch=self._epoch,
            resources=resources,
            guests=list(guests),
            inventory=inventory,
        )
        answer = await self._bus.call(HOSTS, report, timeout_s=self._call_timeout_s)
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
            await self.link.usable()
            try:
                return await ask()
            except (Unavailable, BusClosed, Unroutable) as error:
                log.warning("conductor_does_not_answer", error=str(error), again_in_s=pause_s)
            await self._clock.sleep(pause_s * self._random.uniform(0.5, 1.0))
            pause_s = min(RETRY_CAP_S, pause_s * 2)


def _reported(guest: GuestInfo) -> GuestReport:
    return GuestReport(
        uuid=guest.uuid,
        generation=guest.generation,
        power_state=guest.power_state,
        held=guest.held,
    )
