"""Resize a server, migrate it cold, and settle either: confirm or revert."""

from __future__ import annotations

from common.domain.actions import CONFIRM_RESIZE, MIGRATE, RESIZE, REVERT_RESIZE
from services.api import versions
from services.api.actions import action_operation
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_resize as schemas
from services.api.schemas.servers_actions import bare
from services.api.servers import resizing

_MIGRATE_TO = "os_compute_api:os-migrate-server:migrate:host"


async def resize(request: Request) -> Reply:
    await resizing.resize(request)
    return Reply()


def _host(request: Request) -> str | None:
    argument = request.body["migrate"] if request.v >= versions.MIGRATE_HOST else None
    host: str | None = (argument or {}).get("host")
    return host


def _migrate_rule(request: Request) -> str:
    return _MIGRATE_TO if _host(request) else MIGRATE.policy


async def migrate(request: Request) -> Reply:
    await resizing.migrate(request, _host(request))
    return Reply()


async def confirm(request: Request) -> Reply:
    await resizing.settle(request, CONFIRM_RESIZE)
    return Reply()


async def revert(request: Request) -> Reply:
    await resizing.settle(request, REVERT_RESIZE)
    return Reply()


OPERATIONS = [
    action_operation(RESIZE, resize, schemas.resize),
    action_operation(MIGRATE, migrate, schemas.migrate, policy=_migrate_rule),
    action_operation(CONFIRM_RESIZE, confirm, bare(CONFIRM_RESIZE.key), success=204),
    action_operation(REVERT_RESIZE, revert, bare(REVERT_RESIZE.key)),
]
