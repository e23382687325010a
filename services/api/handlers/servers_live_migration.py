"""Migrate a running server live."""

from __future__ import annotations

from common.domain.actions import LIVE_MIGRATE
from services.api.actions import action_operation
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_live_migration as schemas
from services.api.servers import live_migrating

_TO_HOST = "os_compute_api:os-migrate-server:migrate_live:host"


def _rule(request: Request) -> str:
    return _TO_HOST if request.body[LIVE_MIGRATE.key]["host"] else LIVE_MIGRATE.policy


async def migrate_live(request: Request) -> Reply:
    await live_migrating.migrate_live(request, request.body[LIVE_MIGRATE.key]["host"])
    return Reply()


OPERATIONS = [action_operation(LIVE_MIGRATE, migrate_live, schemas.migrate_live, policy=_rule)]
