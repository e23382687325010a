"""Which guests of a host wait for the truth, and what becomes of them when it is told.

Owns: carrying out verdicts; the guests that are `open`: held, and to be asked about again.
May not: talk to anybody; destroy or release a guest without a verdict, or by one that is older than
its hold. `unknown` guests are left as they are.
Crash story: nothing is kept; the next life finds its guests held and says hello.

Every hold has a ticket, and whoever asks for the truth notes the newest one first. An answer
releases what was held by then and nothing that was held since: a guest that was fenced, or stood
still, while the answer was on its way waits for the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from common.errors import MusterError, NotFound, StaleGeneration
from common.messages.compute import Verdict
from common.runtime.ports import Clock, Random
from services.compute.drivers.base import MADE, Driver, GuestHeld, GuestInfo, Phase
from services.compute.metrics import HELD, VERDICTS

log = structlog.get_logger(__name__)

REASK_S = 2.0
"""How long a guest stays open before the host asks about it (again)."""
CONCURRENT_DESTROYS = 16
DESTROY_TIMEOUT_S = 60.0
"""The other guests of the host wait for the next report meanwhile."""


class Holds:
    """`on_open` is called when a guest has become open: `due_in_s` may have changed."""

    def __init__(
        self,
        host: str,
        *,
        driver: Driver,
        clock: Clock,
        random: Random,
        on_open: Callable[[], None],
    ) -> None:
        self._host = host
        self._driver = driver
        self._clock = clock
        self._random = random
        self._on_open = on_open
        self._open: dict[str, float] = {}
        self._unknown: set[str] = set()

    @property
    def due_in_s(self) -> float | None:
        """When somebody should ask about the guests that are open; None: there are none."""
        if not self._open:
            return None
        return max(0.0, min(self._open.values()) - self._clock.monotonic())

    def watch(self, uuid: str) -> None:
        """Have it asked about before long, if it is held and nobody releases it earlier."""
        self.count()
        if uuid not in self._open and self._held(uuid) is not None:
            self._open[uuid] = self._later()
            self._on_open()

    def fence(self, uuid: str) -> None:
        """Stop letting the guest execute: it is about to run elsewhere."""
        self._driver.hold(uuid, "fenced")
        self.watch(uuid)

    def release(self, guest: GuestInfo, as_of: int) -> bool:
        """Let it execute, as of what was known at ticket `as_of`. False: it was held since."""
        try:
            self._driver.release(guest.uuid, guest.generation, as_of=as_of)
        except GuestHeld:
            return False
        except (NotFound, StaleGeneration):
            pass  # a command has replaced or destroyed it since
        self._open.pop(guest.uuid, None)
        self.count()
        return True

    def release_made(self, uuid: str, generation: int) -> bool:
        """Let a guest execute that has only been waiting to be its server's. False: it is held for
        another reason, or it is another one."""
        guest = self._held(uuid)
        if guest is None or guest.hold is None:
            return True
        if guest.generation != generation or guest.hold.reason != MADE:
            return False
        return self.release(guest, guest.hold.ticket)

    async def apply(
        self, guests: Sequence[GuestInfo], verdicts: Mapping[str, Verdict], as_of: int
    ) -> bool:
        """Carry out verdicts on all guests; whether something was destroyed by that."""
        doomed, undecided, unknown = [], set[str](), set[str]()
        for guest in guests:
            verdict = verdicts.get(guest.uuid)
            VERDICTS.labels(verdict=verdict or "none").inc()
            match verdict:
                case "keep":
                    self.release(guest, as_of)
                case "hold":
                    await self._hold(guest, "undecided", again=False)
                    if guest.phase is not Phase.MIGRATED_OUT:
                        undecided.add(guest.uuid)
                case "destroy":
                    await self._hold(guest, "generation_over", again=True)
                    doomed.append(guest)
                case "unknown":
                    unknown.add(guest.uuid)
        for uuid in unknown - self._unknown:
            log.warning("guest_unknown", server=uuid, note="left as it is; nobody knows it")
        self._unknown = unknown
        undecided |= await self._destroy(doomed)
        # What was held while the answer was on its way has not been judged; it keeps its time.
        judged = {guest.uuid for guest in guests}
        unjudged = {uuid: at for uuid, at in self._open.items() if uuid not in judged}
        undecided |= {
            guest.uuid
            for guest in self._driver.held_guests()
            # A move may wait for days, its source for nothing but commands, and these ask.
            if guest.phase is not Phase.MIGRATED_OUT
        }
        self._open = {uuid: unjudged.get(uuid, self._later()) for uuid in undecided - unknown}
        self.count()
        return bool(doomed)

    def count(self) -> None:
        HELD.labels(host=self._host).set(len(self._driver.held_guests()))

    def _held(self, uuid: str) -> GuestInfo | None:
        return next((guest for guest in self._driver.held_guests() if guest.uuid == uuid), None)

    def _later(self) -> float:
        return self._clock.monotonic() + REASK_S * self._random.uniform(0.8, 1.2)

    async def _hold(self, guest: GuestInfo, reason: str, *, again: bool) -> None:
        """Hold it if it still is the guest that was reported; `again`: whatever has become of it,
        and under a new ticket if it is held already. Else not when it was held and has been
        released since: that was said later."""
        try:
            present = await self._driver.guest_info(guest.uuid)
        except NotFound:
            return
        if present.generation == guest.generation and (again or not (present.held or guest.held)):
            self._driver.hold(guest.uuid, reason)

    async def _destroy(self, doomed: Sequence[GuestInfo]) -> set[str]:
        """End generations that are over. Which could not be: they stay held, to be judged again."""
        limit = asyncio.Semaphore(CONCURRENT_DESTROYS)
        failed: set[str] = set()

        async def destroy(guest: GuestInfo) -> None:
            async with limit:
                log.warning("guest_destroyed", server=guest.uuid, generation=guest.generation)
                try:
                    async with asyncio.timeout(DESTROY_TIMEOUT_S):
                        await self._driver.destroy(guest.uuid, guest.generation)
                except (MusterError, TimeoutError) as error:
                    failed.add(guest.uuid)
                    log.error("destroy_failed", server=guest.uuid, error=repr(error))

        await asyncio.gather(*(destroy(guest) for guest in doomed))
        return failed
