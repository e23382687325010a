"""Questions to the host of a server that a request answers with.

Owns: asking through the host's queue, and the words when there is no answer.
May not: change a guest; only verbs that hosts carry out beside everything else are asked here.
Crash story: a question that is lost is asked again by the client.
"""

from __future__ import annotations

from typing import Any

from common.bus.port import BusClosed, Unroutable
from common.bus.topology import host_queue
from common.db.stores.servers import PlacedServer
from common.errors import Bug, HostCommandFailed, Timeout, Unavailable, from_code
from common.messages.compute import HostCommand, HostReply
from services.api.request import Request


async def ask_host(
    request: Request, placed: PlacedServer, verb: str, **params: Any
) -> dict[str, Any]:
    """The result of `verb` on the server's host.

    Raises `Unavailable` when the host is down or does not answer, and what it says otherwise, e.g.
    `NotFound` when it has no such guest. The server must have a host.
    """
    server, app = placed.server, request.app
    if server.host is None:
        raise Bug(f"{verb} was to be asked of a server without a host")
    silent = f"The host of instance {server.uuid} does not answer. Please try again later."
    if not placed.host_up:
        raise Unavailable(silent)
    question = HostCommand(
        request_id=request.ctx.request_id,
        workflow_id=0,
        step=f"api.{verb}",
        attempt=0,
        server_uuid=str(server.uuid),
        generation=server.generation,
        verb=verb,
        params=params,
        sent_at=app.clock.utcnow(),
    )
    try:
        reply = await app.bus.call(
            host_queue(server.host), question, timeout_s=app.settings.bus.call_timeout_s
        )
    except (Timeout, BusClosed, Unroutable) as error:
        raise Unavailable(silent) from error
    if not isinstance(reply, HostReply):
        raise Bug(f"host {server.host} answered {verb!r} with {reply.TYPE}")
    if reply.error is None:
        return reply.result
    refused = from_code(reply.error.code, reply.error.message)
    raise HostCommandFailed(reply.error.message) if isinstance(refused, Bug) else refused
