"""Resize and cold migration: which flavor or host a server may go to, and settling it afterwards.

Owns: the checks of flavor, quota and target; finding the migration that waits to be settled.
May not: move anything. Crash story: action, migration row and workflow are one transaction.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import migrations
from common.db.stores import servers as store
from common.db.stores.server_actions import MigrationStart
from common.domain.actions import MIGRATE, RESIZE, Action
from common.domain.server import Server
from common.errors import InvalidInput
from services.api.actions import check, start_action
from services.api.request import Request
from services.api.servers import images
from services.api.servers.flavors import SEES_PRIVATE, stored_flavor


async def resize(request: Request) -> None:
    """Begin; raises `InvalidInput` for a flavor the server cannot have, `OverQuota`."""
    asked: dict[str, Any] = request.body["resize"]
    server = request.server.server
    check(request, RESIZE)
    context = await store.create_context(
        request.app.pool,
        flavorid=str(asked["flavorRef"]),
        key_name=None,
        project_id=server.project_id,
        user_id=server.user_id,
        every_flavor=request.can(SEES_PRIVATE),
        quota=request.app.settings.quota,
    )
    flavor = _checked(context.flavor, asked["flavorRef"], server)
    columns = {}
    if "OS-DCF:diskConfig" in asked:
        columns["auto_disk_config"] = images.auto_disk_config(
            asked["OS-DCF:diskConfig"], server.image_properties, server.image_ref
        )
    migration = MigrationStart(request.app.ids.uuid(), "resize", new_flavorid=flavor["flavorid"])
    await start_action(
        request,
        RESIZE,
        {
            "flavor": stored_flavor(flavor),
            "host": None,
            "migration_uuid": str(migration.uuid),
        },
        migration=migration,
        columns=columns,
        adds={
            "cores": flavor["vcpus"] - server.vcpus,
            "ram": flavor["memory_mib"] - server.memory_mib,
        },
    )


def _checked(flavor: dict[str, Any] | None, flavorid: Any, server: Server) -> dict[str, Any]:
    if flavor is None or flavor["disabled"]:
        raise InvalidInput(f"Flavor {flavorid} could not be found.")
    if flavor["flavorid"] == server.flavorid:
        raise InvalidInput("When resizing, instances must change flavor!")
    on_volume = server.is_volume_backed
    if flavor["root_gib"] == 0 and server.root_gib != 0 and not on_volume:
        raise InvalidInput("Resize to a flavor without a disk is not allowed.")
    for disk in ("ephemeral_gib",) if on_volume else ("root_gib", "ephemeral_gib"):
        if flavor[disk] < getattr(server, disk):
            raise InvalidInput(
                f"Flavor {flavor['flavorid']} has a smaller disk than the server: "
                f"{flavor[disk]} instead of {getattr(server, disk)} GiB; disks cannot shrink."
            )
    return flavor


async def migrate(request: Request, host: str | None) -> None:
    """Begin; raises `InvalidInput` for a host that is unknown or the server's own."""
    check(request, MIGRATE)
    if host is not None:
        if await store.compute_node_find(request.app.pool, host=host, node=None) is None:
            raise InvalidInput(f"Compute host {host} could not be found.")
        if host == request.server.server.host:
            raise InvalidInput("Cannot migrate to the host where the server exists.")
    migration = MigrationStart(request.app.ids.uuid(), "migration", host)
    state = {"flavor": None, "host": host, "migration_uuid": str(migration.uuid)}
    await start_action(request, MIGRATE, state, migration=migration)


async def settle(request: Request, action: Action) -> None:
    """Confirm or revert; raises `InvalidInput` when there is nothing to settle (any more)."""
    check(request, action)
    waiting = await migrations.unsettled(request.app.pool, request.server.server.uuid)
    migration = next((each for each in waiting if each.status == "finished"), None)
    if migration is None:
        raise InvalidInput("Instance has not been resized.")
    state = {
        "migration_uuid": str(migration.uuid),
        "source": migration.source,
        "source_node": migration.source_node,
        "source_generation": migration.source_generation,
    }
    await start_action(request, action, state)
