"""Commands of one host: each carried out once, in order per server, and answered.

Owns: what has been answered (by `command_id`), what runs, the newest workflow seen per server.
May not: know what a verb does (`verbs.py`, the driver) or serve anything while the truth about
this host's guests is not known (`reports.py`).
Crash story: all memory is lost, and with it nothing: a command that was not answered is not
acknowledged and comes again, and verbs are idempotent.

A command that changes a guest is carried out unasked only if it was surely meant for now: it was
sent within the last seconds and on this connection, came once, and the host has not stood still
since. Any other is asked about first (`confirm`), whatever its verb: the answer is about the
command of that workflow, not only about the guest.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field

import structlog

from common.bus.port import Bus, BusClosed, Delivery, RejectMessage
from common.domain.states import PowerState
from common.errors import (
    Conflict,
    HostCommandFailed,
    MusterError,
    NotFound,
    StaleGeneration,
    Timeout,
    Unavailable,
)
from common.messages.compute import ErrorBody, GuestReport, HostCommand, HostReply, Verdict
from common.runtime.tasks import Tasks
from services.compute import verbs
from services.compute.drivers.base import GuestHeld, Phase
from services.compute.faults import Effect, FaultRegistry, Stage
from services.compute.freezing import HostClock
from services.compute.metrics import COMMANDS, DUPLICATES, STALE
from services.compute.reports import Moment, Reports

log = structlog.get_logger(__name__)

REMEMBERED = 10_000
"""Answers, and servers whose newest workflow is known; each the most recent ones."""
REMEMBERED_CALLERS = 8
"""Repeats of a running command that are answered, newest first."""
HELD_WAIT_S = 20.0
"""How long a command waits for a verdict on a held guest before it fails as unavailable."""


class AgentGone(Exception):
    """This life of the agent ends: the command goes back to the queue for the next one."""


@dataclass(eq=False)
class _Work:
    """One command that is being carried out, with everyone who waits for its answer."""

    command: HostCommand
    verb: verbs.Verb
    redelivered: bool
    received: Moment
    confirmed: Moment | None = None
    """When it was last asked about; the answer was that it may go on."""
    callers: deque[Delivery] = field(default_factory=lambda: deque(maxlen=REMEMBERED_CALLERS))
    task: asyncio.Task[None] | None = None
    overtaken_by: str | None = None
    begun: bool = False
    """Past all waiting: the driver is at it."""


@dataclass(eq=False)
class _Line:
    """The commands of one server."""

    newest_workflow: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    works: set[_Work] = field(default_factory=set)


class Commands:
    """The handler of the host's queue."""

    def __init__(
        self,
        host: str,
        *,
        actors: verbs.Actors,
        reports: Reports,
        bus: Bus,
        clock: HostClock,
        tasks: Tasks,
        faults: FaultRegistry | None,
    ) -> None:
        self._host = host
        self._actors = actors
        self._driver = actors.driver
        self._reports = reports
        self._bus = bus
        self._clock = clock
        self._tasks = tasks
        self._faults = faults
        self._answered: OrderedDict[str, HostReply] = OrderedDict()
        self._works: set[_Work] = set()
        self._running: dict[str, _Work] = {}
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._closed = False

    def __len__(self) -> int:
        return len(self._works)

    async def handle(self, delivery: Delivery) -> None:
        """Return when the command has been answered, which acknowledges it."""
        await self._clock.passage()
        if self._closed:
            raise AgentGone
        command = delivery.message
        if not isinstance(command, HostCommand):
            raise RejectMessage(f"a compute agent does not take {command.TYPE}")
        try:
            verb = verbs.find(command.verb)
        except MusterError as error:
            await self._reply(delivery, _failure(command, error))
            return
        work = _Work(command, verb, delivery.redelivered, self._reports.now())
        if verb.aside:
            await self._done(work, delivery)
        elif command.command_id in self._answered:
            DUPLICATES.inc()
            await self._reply(delivery, self._answered[command.command_id])
        elif command.command_id in self._running:
            # The first delivery stays unacknowledged for both; keeping every repeat of a slow
            # command as well would use up the prefetch window.
            DUPLICATES.inc()
            self._running[command.command_id].callers.append(delivery)
        else:
            self._running[command.command_id] = work
            self._overtake(work)
            await self._done(work, delivery)

    def close(self) -> None:
        """Take nothing more; what has not begun goes back to the queue."""
        self._closed = True
        for work in self._works:
            if not work.begun and work.task is not None:
                work.task.cancel()

    async def _done(self, work: _Work, delivery: Delivery) -> None:
        """Start `work` and wait until it is answered. When this life of the agent ends first, the
        cancellation arrives here and gives the delivery back."""
        command = work.command
        work.callers.append(delivery)
        work.task = self._tasks.spawn(
            f"{command.verb} {command.server_uuid} on {self._host}", self._serve(work)
        )
        self._works.add(work)
        # Also runs for a task that is cancelled before its first step.
        work.task.add_done_callback(lambda _: self._forget(work))
        await asyncio.shield(work.task)

    def _forget(self, work: _Work) -> None:
        self._works.discard(work)
        if self._running.get(work.command.command_id) is work:
            del self._running[work.command.command_id]
        if (line := self._lines.get(work.command.server_uuid)) is not None:
            line.works.discard(work)

    def _line(self, server_uuid: str) -> _Line:
        line = self._lines.setdefault(server_uuid, _Line())
        self._lines.move_to_end(server_uuid)
        if len(self._lines) > REMEMBERED:
            oldest = next(iter(self._lines))
            if not self._lines[oldest].works:
                del self._lines[oldest]
        return line

    def _overtake(self, work: _Work) -> None:
        """A verb that interrupts ends what runs or waits for the server, up to its own workflow."""
        line = self._line(work.command.server_uuid)
        workflow_id = work.command.workflow_id
        if work.verb.interrupts:
            for other in line.works:
                if not other.verb.interrupts and other.command.workflow_id <= workflow_id:
                    other.overtaken_by = work.command.verb
                    if other.task is not None:
                        other.task.cancel()
        line.works.add(work)
        line.newest_workflow = max(line.newest_workflow, workflow_id)

    async def _serve(self, work: _Work) -> None:
        """Carry out, remember, answer everyone."""
        command = work.command
        structlog.contextvars.bind_contextvars(host=self._host, server=command.server_uuid)
        began = self._clock.monotonic()
        reply = await self._outcome(work)
        retryable = reply.error is not None and reply.error.code in _RETRYABLE
        if not work.verb.aside and not retryable:
            self._answered[command.command_id] = reply
            if len(self._answered) > REMEMBERED:
                self._answered.popitem(last=False)
        self._forget(work)
        outcome = "done" if reply.error is None else reply.error.code
        COMMANDS.labels(verb=command.verb, outcome=outcome).inc()
        log.info(
            "command",
            verb=command.verb,
            command=command.command_id,
            outcome=outcome,
            error=reply.error.message if reply.error else None,
            seconds=round(self._clock.monotonic() - began, 3),
        )
        while work.callers:
            await self._answer(work.callers.popleft(), command, reply)

    async def _outcome(self, work: _Work) -> HostReply:
        command = work.command
        try:
            if work.verb.aside:
                await self._reports.truth()
                result = await verbs.carry_out(self._actors, command)
            else:
                result = await self._in_turn(work)
        except asyncio.CancelledError:
            if work.overtaken_by is None or self._closed:
                raise
            return _failure(command, Conflict(f"overtaken by {work.overtaken_by}"))
        except MusterError as error:
            return _failure(command, error, await self._power_state(command))
        except Exception as error:
            log.exception("command_raised", verb=command.verb)
            failed = HostCommandFailed(f"{type(error).__name__}: {error}")
            return _failure(command, failed, await self._power_state(command))
        return HostReply(
            request_id=command.request_id,
            command_id=command.command_id,
            power_state=await self._power_state(command),
            result=result,
        )

    async def _in_turn(self, work: _Work) -> dict[str, object]:
        line = self._line(work.command.server_uuid)
        async with line.turn:
            return await self._with_the_truth(work, line)

    async def _with_the_truth(self, work: _Work, line: _Line) -> dict[str, object]:
        """Carry out the command when it is known to be wanted, and again if the host stood still
        meanwhile, as soon as the guest may run."""
        command = work.command
        give_up_at = self._clock.monotonic() + HELD_WAIT_S
        while True:
            now = await self._reports.truth()
            if command.workflow_id < line.newest_workflow:
                STALE.inc()
                raise Conflict(
                    f"stale command: workflow {command.workflow_id} of server "
                    f"{command.server_uuid} was followed by {line.newest_workflow}"
                )
            if work.verb.changes_guest and not await self._is_meant_for_now(work, now):
                await self._confirm(work)
                work.confirmed = now
                continue  # a gap or an outage while asking would make the answer old
            work.begun = True
            try:
                return await verbs.carry_out(self._actors, command)
            except GuestHeld as held:
                work.begun = False
                if self._reports.now().unbroken(now):
                    await self._let_go(command, held, give_up_at)
            finally:
                if work.verb.makes_guest:
                    self._reports.holds.watch(command.server_uuid)

    async def _is_meant_for_now(self, work: _Work, now: Moment) -> bool:
        """Whether nothing that has happened since it was sent, or asked about, can have made it
        wrong."""
        known_at = work.confirmed or (work.received if self._is_fresh(work) else None)
        if known_at is None or not now.unbroken(known_at):
            return False
        try:
            guest = await self._driver.guest_info(work.command.server_uuid)
        except NotFound:
            return True
        if work.verb.revives and guest.phase is Phase.MIGRATED_OUT:
            return work.confirmed is not None
        lifts_hold = work.verb.makes_guest and work.command.params.get("held") is False
        return not (lifts_hold and guest.hold and guest.hold.ticket > known_at.holds)

    def _is_fresh(self, work: _Work) -> bool:
        """Whether the conductor can have meant it for now; a clock that is off costs a question."""
        sent_at = work.command.sent_at
        if sent_at is None or work.redelivered or sent_at < self._reports.link.since:
            return False
        age_s = abs((self._clock.utcnow() - sent_at).total_seconds())
        return age_s <= self._reports.fresh_s

    async def _confirm(self, work: _Work) -> None:
        """Raise unless the truth wants the command carried out. To destroy a generation that is
        over is right whoever wanted it."""
        verdict = await self._reports.confirm(_question(work.command))
        if verdict != "keep" and not (verdict == "destroy" and work.command.verb == "destroy"):
            raise self._refusal(work.command, verdict)

    async def _let_go(self, command: HostCommand, held: GuestHeld, give_up_at: float) -> None:
        """Return when the guest that the command needs may execute; raise when it may not."""
        while True:
            verdict = await self._reports.let_go(command.server_uuid, command.workflow_id)
            if verdict == "keep":
                return
            if verdict != "hold":
                raise self._refusal(command, verdict)
            if self._clock.monotonic() > give_up_at:
                raise held
            await self._reports.told()

    def _refusal(self, command: HostCommand, verdict: Verdict) -> MusterError:
        about = f"generation {command.generation} of {command.server_uuid} on {self._host}"
        if verdict == "destroy":
            return StaleGeneration(f"{about} is over; the command came too late")
        if verdict == "unknown":
            return NotFound(f"{about} is not known to any conductor")
        return Unavailable(f"{about} is not decided yet")

    async def _power_state(self, command: HostCommand) -> int | None:
        try:
            return int((await self._driver.guest_info(command.server_uuid)).power_state)
        except MusterError:
            return None

    async def _answer(self, delivery: Delivery, command: HostCommand, reply: HostReply) -> None:
        """Reply, unless a fault rule wants the reply lost or doubled."""
        rule = self._faults and self._faults.fire(
            self._host, command.verb, command.server_uuid, Stage.REPLY
        )
        if rule and rule.delay_s:
            await self._clock.sleep(rule.delay_s)
        if rule and rule.effect is Effect.LOST_REPLY:
            return
        await self._reply(delivery, reply)
        if rule and rule.effect is Effect.DUPLICATE_REPLY:
            await self._reply(delivery, reply)

    async def _reply(self, delivery: Delivery, reply: HostReply) -> None:
        await self._clock.passage()
        try:
            await self._bus.reply(delivery, reply)
        except BusClosed as error:
            log.info("reply_not_sent", command=reply.command_id, error=str(error))


def _question(command: HostCommand) -> GuestReport:
    """Whether the command may still be carried out."""
    return GuestReport(
        uuid=command.server_uuid,
        generation=command.generation,
        power_state=PowerState.PENDING,
        pending=True,
        workflow_id=command.workflow_id,
    )


_RETRYABLE = frozenset({Unavailable.code, Timeout.code})
"""Not remembered: a repeat of the same command may get it right."""


def _failure(command: HostCommand, error: MusterError, power_state: int | None = None) -> HostReply:
    return HostReply(
        request_id=command.request_id,
        command_id=command.command_id,
        error=ErrorBody(code=error.code, message=str(error)),
        power_state=power_state,
    )
