"""What the scheduler has just answered, and nobody can read yet.

A question is answered with a host; its conductor claims room there a moment later. Until then the
room counts as taken, for this scheduler's next answers only:

    what is promised   the amounts asked for, on the host answered; nothing on its alternates. A
                       member of a group counts there for the others
    from               the answer
    until              a copy of the hosts shows the claim; or one is read `promise_s` after the
                       answer (an alternate was claimed, or nothing); or the same server is asked
                       about again (the claim was refused, the answer lost)
    what it cannot do  turn a question down: when promises leave no room they are disregarded,
                       because a no must be true

Owns: that list, and the promised amounts in the latest copy. May not: do I/O.
Crash story: gone with the process. Claims are checked in the database, so that a forgotten promise
costs a refused claim at worst, after which the conductor asks again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from services.scheduler.hosts import Amounts, Hosts


class Promise(NamedTuple):
    host: str
    amounts: Amounts
    made_at: float
    group: UUID | None = None


class Promises:
    def __init__(self, promise_s: float) -> None:
        self._promise_s = promise_s
        self._by_server: dict[UUID, Promise] = {}
        self._copy: Hosts | None = None
        """The latest: all promises are counted in it."""

    def hosts(self) -> dict[UUID, str]:
        """Where servers are promised room."""
        return {server: promise.host for server, promise in self._by_server.items()}

    def carry_over(self, copy: Hosts, claimed: Collection[UUID]) -> None:
        """`copy` is the latest now, and shows what these servers have claimed."""
        for server in claimed:
            self._by_server.pop(server, None)
        self._by_server = {
            server: promise
            for server, promise in self._by_server.items()
            if promise.made_at + self._promise_s > copy.read_at
        }
        self._copy = copy
        for promise in self._by_server.values():
            if (position := copy.index.get(promise.host)) is not None:
                copy.promise(position, promise.amounts)

    def any(self) -> bool:
        return bool(self._by_server)

    def of_group(self, group: UUID) -> set[tuple[UUID, str]]:
        """(server, host) of its members."""
        return {
            (server, promise.host)
            for server, promise in self._by_server.items()
            if promise.group == group
        }

    def make(
        self, server: UUID, host: str, amounts: Amounts, now: float, group: UUID | None = None
    ) -> None:
        self.withdraw(server)
        self._by_server[server] = Promise(host, amounts, now, group)
        if self._copy is not None and (position := self._copy.index.get(host)) is not None:
            self._copy.promise(position, amounts)

    def withdraw(self, server: UUID) -> None:
        promise = self._by_server.pop(server, None)
        if promise is None or self._copy is None:
            return
        if (position := self._copy.index.get(promise.host)) is not None:
            self._copy.withdraw(position, promise.amounts)
