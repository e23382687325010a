"""os-resetState: an operator says what state a server is in.

Owns: overtaking whatever runs on the server, so that it cannot write over that.
May not: touch the guest. Crash story: one transaction.
"""

from __future__ import annotations

from common.db.stores import server_actions as store
from services.api.actions import announce_overtaking, requester
from services.api.request import Request
from services.api.targets import server_not_found


async def reset(request: Request) -> None:
    server = request.server.server
    state = request.body["os-resetState"]["state"]
    if not await store.state_reset(
        request.app.pool, server.uuid, state, requester=requester(request)
    ):
        raise server_not_found(server.uuid)
    await announce_overtaking(request, server)
