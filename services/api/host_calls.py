"""Questions to the host of a server that a request answers with.

Owns: which host is asked, and not to ask one that is down.
May not: change a guest; see common/bus/host_questions.py.
Crash story: a question that is lost is asked again by the client.
"""

from __future__ import annotations

from typing import Any

from common.bus.host_questions import Question, ask
from common.db.stores.servers import PlacedServer
from common.errors import Bug
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
    question = Question(
        asker="api",
        host=server.host,
        server_uuid=str(server.uuid),
        generation=server.generation,
        verb=verb,
        params=params,
        request_id=request.ctx.request_id,
    )
    if not placed.host_up:
        raise question.unanswered
    return await ask(app.bus, app.clock, question, timeout_s=app.settings.bus.call_timeout_s)
