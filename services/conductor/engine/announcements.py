"""Telling hosts what a commit has just made true.

Owns: the events after a commit: held guests that may execute, truths that have changed.
May not: be relied on. They are sent once; a host that asks is told the same (verdicts.py), and one
with a held guest asks until it is decided.
Crash story: none; see above.
"""

from __future__ import annotations

import structlog

from common.bus.port import BusClosed
from common.bus.topology import CONDUCTOR
from common.messages.compute import GuestRelease, HostRecheck
from common.messages.network import PortsChanged
from services.conductor.engine.context import Context

log = structlog.get_logger(__name__)


async def announce(context: Context) -> None:
    """After the commit of a step. Never raises for a broker that is away."""
    bus, uuid = context.deps.bus, str(context.server.uuid)
    for host, generation in context.changes.released_guests:
        release = GuestRelease(
            host=host,
            server_uuid=uuid,
            generation=generation,
            sent_at=context.deps.clock.utcnow(),
        )
        await bus.publish_event(f"host.{host}", release)
    for host in context.changes.recheck_hosts:
        await bus.publish_event(f"host.{host}", HostRecheck(host=host))
    if context.changes.ports_changed:
        try:
            await bus.publish(CONDUCTOR, PortsChanged(servers=[uuid]))
        except BusClosed as error:  # the next round of all servers finds it
            log.info("ports_changed_not_said", server=uuid, error=str(error))
