"""Waiting for a server's ports to carry traffic on their host.

Owns: how long, and what becomes of a server whose ports do not.
May not: rely on being told: the word of the network service comes once, and to whoever listens at
that moment, so whoever waits looks by itself as well. Crash story: who resumes the step looks anew.
"""

from __future__ import annotations

import asyncio

import structlog

from common.errors import HostCommandFailed, Unavailable
from services.conductor.engine.context import Context
from services.conductor.port_news import Said
from services.conductor.workflows import ports

log = structlog.get_logger(__name__)


async def plugged(context: Context) -> None:
    """Return when all ports of the server carry traffic, at once when they did as they were bound.
    Raises `HostCommandFailed` when they do not in time, or it is known that they cannot, unless
    the settings say that the server starts all the same."""
    settings = context.deps.settings.network
    waiting = set(context.state.get("unplugged", ()))
    if not waiting or settings.vif_plugging_timeout_s == 0:
        return
    try:
        async with asyncio.timeout(settings.vif_plugging_timeout_s):
            with context.deps.port_news.of(waiting) as said:
                await _until_up(context, waiting, said)
    except (TimeoutError, HostCommandFailed) as error:
        late = f"no traffic after {settings.vif_plugging_timeout_s:g} s"
        reason = late if isinstance(error, TimeoutError) else str(error)
        text = f"Failed to allocate the network(s): port(s) {', '.join(sorted(waiting))}: {reason}"
        if settings.vif_plugging_is_fatal:
            raise HostCommandFailed(text) from error
        log.warning("ports_not_plugged", server=str(context.server.uuid), reason=text)


async def _until_up(context: Context, waiting: set[str], said: Said) -> None:
    """Takes from `waiting` what is up."""
    look_s = context.deps.settings.network.vif_plugging_look_s
    while True:
        try:
            found = await context.deps.network.ports_of(context.server)
        except Unavailable as error:
            log.info("ports_not_looked_at", error=str(error))
            found = []
        waiting -= {port.id for port in found if port.status == ports.ACTIVE}
        try:
            async with asyncio.timeout(look_s):
                while waiting:
                    port_id, failed = await said.get()
                    if failed:
                        raise HostCommandFailed(f"port {port_id} cannot be plugged")
                    waiting.discard(port_id)
                return
        except TimeoutError:
            continue
