"""Telling conductors that what servers show of their ports may be out of date.

Owns: the message. May not: compare anything itself. Crash story: one that is lost is made good by
the next round of all servers.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from common.bus.port import BusClosed
from common.bus.topology import CONDUCTOR
from common.messages.network import PortsChanged
from services.api.request import Request

log = structlog.get_logger(__name__)


async def ports_changed(request: Request, servers: Sequence[UUID]) -> None:
    message = PortsChanged(
        request_id=request.ctx.request_id, servers=[str(uuid) for uuid in servers]
    )
    try:
        await request.app.bus.publish(CONDUCTOR, message)
    except BusClosed as error:
        log.warning("ports_changed_not_said", servers=message.servers, error=repr(error))
