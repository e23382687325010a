"""Server actions: start, stop, reboot, evacuate, lock, reset state, forced delete."""

from __future__ import annotations

from common.domain import actions as rows
from services.api import versions
from services.api.actions import action_operation, simple_operation, start_action, start_delete
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_actions as schemas
from services.api.servers import evacuating, locking, resetting


async def reboot(request: Request) -> Reply:
    kind = request.body["reboot"]["type"].upper()
    row = rows.REBOOT_HARD if kind == "HARD" else rows.REBOOT_SOFT
    await start_action(request, row, {"type": kind})
    return Reply()


async def evacuate(request: Request) -> Reply:
    password = await evacuating.evacuate(request)
    return Reply({"adminPass": password} if request.v < versions.SHARED_STORAGE_FOUND else None)


async def force_delete(request: Request) -> Reply:
    await start_delete(request, rows.FORCE_DELETE)
    return Reply()


async def lock(request: Request) -> Reply:
    await locking.lock(request)
    return Reply()


async def unlock(request: Request) -> Reply:
    await locking.unlock(request)
    return Reply()


async def reset_state(request: Request) -> Reply:
    await resetting.reset(request)
    return Reply()


OPERATIONS = [
    simple_operation(rows.START),
    simple_operation(rows.STOP),
    action_operation(rows.REBOOT_SOFT, reboot, schemas.reboot),
    action_operation(rows.EVACUATE, evacuate, schemas.evacuate, success=200),
    action_operation(rows.FORCE_DELETE, force_delete, schemas.bare("forceDelete")),
    action_operation(rows.LOCK, lock, schemas.lock),
    action_operation(rows.UNLOCK, unlock, schemas.bare("unlock")),
    action_operation(rows.RESET_STATE, reset_state, schemas.reset_state),
]
