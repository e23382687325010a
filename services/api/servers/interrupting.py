"""What an operator asks of a live migration under way.

Owns: writing the wish and the instance action together. May not: reach for the host; the workflow
that runs the migration reads the wish. Crash story: one transaction.
"""

from __future__ import annotations

from common.db.stores import migrations
from common.db.stores import server_actions as store
from common.db.stores.migrations import AskedFor, Migration
from common.db.stores.servers import PlacedServer
from common.domain.actions import Action
from services.api.actions import requester
from services.api.request import Request

_EVENTS: dict[AskedFor, str] = {
    "abort": "compute_live_migration_abort",
    "force_complete": "compute_live_migration_force_complete",
}


async def ask(
    request: Request, placed: PlacedServer, migration: Migration, what: AskedFor, action: Action
) -> None:
    async with request.app.pool.acquire() as connection, connection.transaction():
        await migrations.ask_for(connection, migration.uuid, what)
        await store.record_action(
            connection, placed.server.uuid, action, requester(request), event=_EVENTS[what]
        )
