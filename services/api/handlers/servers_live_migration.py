"""Migrate a running server live."""

from __future__ import annotations

from common.domain.actions import LIVE_MIGRATE
from services.api.actions import action_operation
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_live_migration as schemas
from services.api.servers import live_migrating
from services.api.servers.load import load

_TO_HOST = "os_compute_api:os-migrate-server:migrate_live:host"


async def migrate_live(request: Request) -> Reply:
    host = request.body[LIVE_MIGRATE.key]["host"]
    placed = await load(request, _TO_HOST if host else LIVE_MIGRATE.policy)
    await live_migrating.migrate_live(request, placed, host)
    return Reply()


OPERATIONS = [action_operation(LIVE_MIGRATE, migrate_live, schemas.migrate_live)]
