"""Resize a server, migrate it cold, and settle either: confirm or revert."""

from __future__ import annotations

from common.domain.actions import CONFIRM_RESIZE, MIGRATE, RESIZE, REVERT_RESIZE
from services.api.actions import action_operation
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_resize as schemas
from services.api.schemas.servers_actions import bare
from services.api.servers import resizing
from services.api.servers.load import load

_MIGRATE_TO = "os_compute_api:os-migrate-server:migrate:host"
WITH_HOST = 56


async def resize(request: Request) -> Reply:
    await resizing.resize(request, await load(request, RESIZE.policy))
    return Reply()


async def migrate(request: Request) -> Reply:
    argument = request.body["migrate"] if request.v >= WITH_HOST else None
    host = (argument or {}).get("host")
    placed = await load(request, _MIGRATE_TO if host else MIGRATE.policy)
    await resizing.migrate(request, placed, host)
    return Reply()


async def confirm(request: Request) -> Reply:
    placed = await load(request, CONFIRM_RESIZE.policy)
    await resizing.settle(request, placed, CONFIRM_RESIZE)
    return Reply()


async def revert(request: Request) -> Reply:
    placed = await load(request, REVERT_RESIZE.policy)
    await resizing.settle(request, placed, REVERT_RESIZE)
    return Reply()


OPERATIONS = [
    action_operation(RESIZE, resize, schemas.resize),
    action_operation(MIGRATE, migrate, schemas.migrate),
    action_operation(CONFIRM_RESIZE, confirm, bare(CONFIRM_RESIZE.key), success=204),
    action_operation(REVERT_RESIZE, revert, bare(REVERT_RESIZE.key)),
]
