"""Counts what work costs: SQL round trips, commits, broker messages, HTTP calls to neighbours.

Everything that crosses the pool, the memory broker or aiohttp is written down, with the task that
did it. What the loops of services do by themselves (`Tasks.loop`) is told apart from what was
asked for, whatever their intervals are.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg
import pytest

from common.bus.memory import MemoryBroker
from common.messages.base import decode
from common.runtime.tasks import Tasks

_BEGINS = re.compile(r"\s*(begin|start transaction)\b", re.IGNORECASE)
_ENDS = re.compile(r"\s*(commit|rollback)\b", re.IGNORECASE)
_WRITES = re.compile(
    r"\b(insert\s+into|delete\s+from|update\s+(?!of\b|skip\b|nowait\b)\w+\s|for\s+(no\s+key\s+)?update)",
    re.IGNORECASE,
)
"""A statement that writes, row locks included: the database gives its transaction an id and
flushes its log, unless no row was found."""


@dataclass(frozen=True)
class Entry:
    kind: str
    """"sql", "commit", "message" or "http"."""
    text: str
    at: float
    """Seconds of the event loop."""
    loop: str
    """Name of the periodic task that did it, empty for what was asked for."""


@dataclass(frozen=True)
class Cost:
    """What something took."""

    sql: int = 0
    commits: int = 0
    messages: int = 0
    http: int = 0

    def within(self, limit: Cost) -> bool:
        return all(getattr(self, name) <= getattr(limit, name) for name in _FIELDS)


_FIELDS = {"sql": "sql", "commits": "commit", "messages": "message", "http": "http"}
"""Field of a `Cost` to the kind of its entries."""


def cost_of(entries: list[Entry]) -> Cost:
    found = Counter(entry.kind for entry in entries)
    return Cost(**{name: found[kind] for name, kind in _FIELDS.items()})


@dataclass
class Ledger:
    """What has been done since it was opened; `counting()` opens one."""

    entries: list[Entry] = field(default_factory=list)

    def note(self, kind: str, text: str) -> None:
        task = asyncio.current_task()
        coroutine = task.get_coro() if task else None
        periodic = getattr(coroutine, "__qualname__", "").startswith(Tasks.loop.__qualname__)
        name = task.get_name() if task and periodic else ""
        self.entries.append(Entry(kind, text, asyncio.get_running_loop().time(), name))

    def asked_for(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.loop]

    def quiet_for(self, seconds: float) -> bool:
        """Whether nothing that was asked for has happened for so long."""
        last = max((entry.at for entry in self.asked_for()), default=0.0)
        return asyncio.get_running_loop().time() - last > seconds

    def turns(self, pause_s: float) -> dict[str, list[list[Entry]]]:
        """Entries of each periodic task, one list a turn; between turns there is this pause."""
        found: dict[str, list[list[Entry]]] = {}
        for entry in self.entries:
            if entry.loop:
                turns = found.setdefault(entry.loop, [])
                if not turns or entry.at - turns[-1][-1].at > pause_s:
                    turns.append([])
                turns[-1].append(entry)
        return found


def _found_nothing(result: Any) -> bool:
    """No rows, or a command tag that says so; a statement that always answers counts as written."""
    if isinstance(result, str):
        return result.endswith(" 0")
    return result is None or result == []


def _counted_connection(ledger: Ledger) -> type[asyncpg.Connection[asyncpg.Record]]:
    class Counted(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
        """Every public call is one round trip."""

    written: dict[int, bool] = {}
    """Whether the open transaction of a connection has written."""

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(asyncpg.Connection, name)

        @functools.wraps(real)
        async def call(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
            ledger.note("sql", query)
            result = await real(self, query, *args, **kwargs)
            if _BEGINS.match(query):
                written[id(self)] = False
            elif _ENDS.match(query):
                if written.pop(id(self), False):
                    ledger.note("commit", query)
            elif _WRITES.search(query) and not _found_nothing(result):
                if id(self) in written:
                    written[id(self)] = True
                else:
                    ledger.note("commit", query)
            return result

        return call

    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        setattr(Counted, name, counted(name))
    return Counted


@contextmanager
def counting(mine: Callable[[], aiohttp.ClientSession | None]) -> Iterator[Ledger]:
    """Count for pools, brokers and sessions made inside; HTTP of the session `mine()` is not
    counted, it is the test's."""
    ledger = Ledger()
    patch = pytest.MonkeyPatch()
    real_request = aiohttp.ClientSession._request

    async def request(self: aiohttp.ClientSession, method: str, url: Any, **kwargs: Any) -> Any:
        if self is not mine():
            ledger.note("http", f"{method} {url}")
        return await real_request(self, method, url, **kwargs)

    def message(name: str, body: Callable[..., bytes]) -> None:
        real = getattr(MemoryBroker, name)

        @functools.wraps(real)
        def call(self: MemoryBroker, *args: Any) -> Any:
            ledger.note("message", decode(body(*args)).TYPE)
            return real(self, *args)

        patch.setattr(MemoryBroker, name, call)

    message("publish", lambda _queue, stored: stored.body)
    message("publish_event", lambda _topic, stored: stored.body)
    message("reply", lambda _address, _correlation_id, body: body)
    connection_class = _counted_connection(ledger)
    real_pool = asyncpg.create_pool
    patch.setattr(
        asyncpg, "create_pool", functools.partial(real_pool, connection_class=connection_class)
    )
    patch.setattr(aiohttp.ClientSession, "_request", request)
    try:
        yield ledger
    finally:
        patch.undo()
