"""os-migrateLive: what each version means by host and force, and which checks it waits for.

Owns: the refusals before anything begins. Whether the destination can share or must copy the disk
is its host's business, so block_migration and disk_over_commit decide nothing here.
May not: move anything. Crash story: action, migration row and workflow are one statement.
"""

from __future__ import annotations

from common.db.stores import servers as store
from common.db.stores import services
from common.db.stores.server_actions import MigrationStart
from common.db.stores.servers import PlacedServer
from common.domain.actions import LIVE_MIGRATE
from common.errors import InvalidInput
from services.api import versions
from services.api.actions import check, start_action
from services.api.request import Request


async def migrate_live(request: Request, host: str | None) -> None:
    """Begin; raises `InvalidInput` for a host that is not known and, below 2.34, for a source or
    destination that cannot be used."""
    force = request.body[LIVE_MIGRATE.key].get("force", False)
    check(request, LIVE_MIGRATE)
    if force and not host:
        raise InvalidInput("Can't force to a non-provided destination")
    if host and await store.compute_node_find(request.app.pool, host=host, node=None) is None:
        raise InvalidInput(f"Compute host {host} could not be found.")
    if request.v < versions.LIVE_MIGRATION_CHECKED_LATER:
        await _check_hosts(request, request.server, host)
    migration = MigrationStart(request.app.ids.uuid(), "live-migration", host)
    state = {
        "host": host,
        "force": bool(host) and (force or request.v < versions.LIVE_MIGRATE_FORCE),
        "migration_uuid": str(migration.uuid),
        "checked_first": request.v < versions.LIVE_MIGRATION_CHECKED_LATER,
    }
    await start_action(request, LIVE_MIGRATE, state, migration=migration)


async def _check_hosts(request: Request, placed: PlacedServer, host: str | None) -> None:
    if not placed.host_up:
        raise InvalidInput(f"Compute service of {placed.server.host} is unavailable at this time.")
    if host is None:
        return
    if host == placed.server.host:
        raise InvalidInput(f"Unable to migrate instance {placed.server.uuid} to its own host.")
    if not await services.host_is_up(request.app.pool, host):
        raise InvalidInput(f"Compute service of {host} is unavailable at this time.")
