"""Lock and unlock: a locked server refuses everybody but administrators.

Owns: whose lock it is, and who may open it. May not: touch states.
Crash story: one transaction with the instance action.
"""

from __future__ import annotations

from common.db.stores import server_actions as store
from common.db.stores.servers import PlacedServer
from services.api.actions import requester
from services.api.request import Request

_OVERRIDE = "os_compute_api:os-lock-server:unlock:unlock_override"
OWNER, ADMIN = "owner", "admin"


async def lock(request: Request, placed: PlacedServer) -> None:
    """The owner's second lock changes nothing; an administrator may lock again."""
    server = placed.server
    is_owner = server.project_id == request.ctx.project_id
    if server.locked_by is not None and is_owner:
        return
    argument = request.body["lock"]
    reason = argument.get("locked_reason") if isinstance(argument, dict) else None
    await store.lock_set(
        request.app.pool,
        server.uuid,
        locked_by=OWNER if is_owner else ADMIN,
        reason=reason,
        requester=requester(request),
    )


async def unlock(request: Request, placed: PlacedServer) -> None:
    """Raises `Forbidden` for an administrator's lock, unless policy lets the caller open it."""
    server = placed.server
    if server.locked_by == ADMIN and not request.ctx.is_admin:
        request.require(_OVERRIDE, server.project_id, server.user_id)
    await store.lock_set(
        request.app.pool,
        server.uuid,
        locked_by=None,
        reason=None,
        requester=requester(request),
    )
