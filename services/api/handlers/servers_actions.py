"""Server actions: start, stop, reboot, evacuate, lock, reset state, forced delete."""

from __future__ import annotations

from common.domain import actions as rows
from services.api.actions import action_operation, simple_operation, start_action, start_delete
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_actions as schemas
from services.api.servers import evacuating, locking, resetting
from services.api.servers.load import load


async def reboot(request: Request) -> Reply:
    placed = await load(request, rows.REBOOT_SOFT.policy)
    kind = request.body["reboot"]["type"].upper()
    row = rows.REBOOT_HARD if kind == "HARD" else rows.REBOOT_SOFT
    await start_action(request, placed, row, {"type": kind})
    return Reply()


async def evacuate(request: Request) -> Reply:
    placed = await load(request, rows.EVACUATE.policy)
    password = await evacuating.evacuate(request, placed)
    return Reply({"adminPass": password} if request.v < evacuating.NO_PASSWORD else None)


async def force_delete(request: Request) -> Reply:
    placed = await load(request, rows.FORCE_DELETE.policy)
    await start_delete(request, placed, rows.FORCE_DELETE)
    return Reply()


async def lock(request: Request) -> Reply:
    await locking.lock(request, await load(request, rows.LOCK.policy))
    return Reply()


async def unlock(request: Request) -> Reply:
    await locking.unlock(request, await load(request, rows.UNLOCK.policy))
    return Reply()


async def reset_state(request: Request) -> Reply:
    await resetting.reset(request, await load(request, rows.RESET_STATE.policy))
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
