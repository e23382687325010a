"""Lock and unlock: a locked server refuses everybody but administrators.

Owns: whose lock it is, and who may open it. May not: touch states.
Crash story: one transaction with the instance action.
"""

from __future__ import annotations

from common.db.stores import server_actions as store
from services.api.actions import LOCK_OVERRIDE, requester
from services.api.request import Request

OWNER, ADMIN = "owner", "admin"


async def lock(request: Request) -> None:
    """The owner's second lock changes nothing; an administrator may lock again."""
    server = request.server.server
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


async def unlock(request: Request) -> None:
    """Raises `Forbidden` for an administrator's lock, unless policy lets the caller open it."""
    server = request.server.server
    if server.locked_by == ADMIN:
        request.require(LOCK_OVERRIDE)
    await store.lock_set(
        request.app.pool,
        server.uuid,
        locked_by=None,
        reason=None,
        requester=requester(request),
    )
