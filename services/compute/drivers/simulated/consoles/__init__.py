"""The consoles of a simulated host's guests.

Owns: one terminal per guest that somebody has looked at, and the sessions of those who look.
May not: change a guest, or keep anything of it; a guest's own text comes from `console.py`.
Crash story: terminals and sessions die with the agent; the next life shows the guest's history.

Every session ends with its guest: when it is destroyed, replaced by a newer generation, or has left
for another host.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from common.domain.consoles import ConsoleProtocol
from common.errors import Unsupported
from common.runtime.ports import Clock
from common.runtime.tasks import Tasks
from services.compute.drivers.base import Phase
from services.compute.drivers.optional import Stream
from services.compute.drivers.simulated import console
from services.compute.drivers.simulated.consoles import rfb, serial, spice
from services.compute.drivers.simulated.consoles.terminal import Terminal
from services.compute.drivers.simulated.store import Guest

log = structlog.get_logger(__name__)

PROTOCOLS: frozenset[ConsoleProtocol] = frozenset({"vnc", "serial", "spice"})


class _Console:
    """Of one generation of a guest."""

    def __init__(self, guest: Guest, executes: Callable[[str], bool], clock: Clock) -> None:
        self.generation = guest.generation
        text = console.render(guest, None)
        uuid = guest.uuid
        self.terminal = Terminal(text, guest.spec.hostname, lambda: executes(uuid))
        self.sessions = Tasks(clock)


class Consoles:
    """`executes` says whether a guest is there to hear a key."""

    def __init__(self, executes: Callable[[str], bool], clock: Clock) -> None:
        self._executes = executes
        self._clock = clock
        self._consoles: dict[str, _Console] = {}
        self._ending = Tasks(clock)

    async def open(
        self, guest: Guest, protocol: ConsoleProtocol, secrets: frozenset[str] | None
    ) -> Stream:
        """See `drivers.base.Consoles`."""
        if secrets is not None and protocol != "spice":
            raise Unsupported(f"{protocol} has no way to show a secret")
        found = self._consoles.get(guest.uuid)
        if found is None or found.generation != guest.generation:
            found = self._consoles[guest.uuid] = _Console(guest, self._executes, self._clock)
        ours, theirs = socket.socketpair()
        stream = await asyncio.open_unix_connection(sock=ours)
        served = await asyncio.open_unix_connection(sock=theirs)
        match protocol:
            case "vnc":
                serving = rfb.Session(served, found.terminal).serve(guest.spec.name)
            case "serial":
                serving = serial.serve(served, found.terminal)
            case "spice":
                serving = spice.serve(served, secrets)
        found.sessions.spawn(f"{protocol} {guest.uuid}", _session(served, serving))
        return stream

    def changed(self, guest: Guest) -> None:
        """Show what has happened to the guest, or hang up when it is here no more."""
        found = self._consoles.get(guest.uuid)
        if found is None:
            return
        if guest.phase is not Phase.READY or guest.generation != found.generation:
            self.end(guest.uuid)
        else:
            found.terminal.show(console.render_last(guest))

    def end(self, uuid: str) -> None:
        """Hang up on everybody who looks at this guest."""
        found = self._consoles.pop(uuid, None)
        if found is not None:
            self._ending.spawn(f"end consoles of {uuid}", found.sessions.stop())

    async def stop(self) -> None:
        for uuid in list(self._consoles):
            self.end(uuid)
        await self._ending.drain(timeout_s=1.0)
        await self._ending.stop()


async def _session(stream: Stream, serving: Coroutine[Any, Any, None]) -> None:
    """Serve until either side has had enough; that a client breaks off is no failure."""
    writer = stream[1]
    try:
        await serving
    except* (OSError, asyncio.IncompleteReadError):
        pass
    except* (rfb.ProtocolError, spice.ProtocolError) as refused:
        log.info("console_refused", reasons=[str(error) for error in refused.exceptions])
    finally:
        writer.close()
