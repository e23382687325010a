"""Evacuate: rebuild a server elsewhere because its host is down.

Owns: what each version means by host and force, and the refusals: the host is up, the target is
unknown or the same. May not: move anything.
Crash story: action, migration row and workflow are one statement.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import servers as store
from common.db.stores.server_actions import MigrationStart
from common.db.stores.servers import PlacedServer
from common.domain.actions import EVACUATE
from common.errors import InvalidInput, NotFound
from services.api import versions
from services.api.actions import check, start_action
from services.api.request import Request
from services.api.servers import names
from services.api.servers.sealing import sealed_secrets


async def evacuate(request: Request) -> str | None:
    """Begin; returns the admin password."""
    body: dict[str, Any] = request.body["evacuate"]
    host = body.get("host")
    force = body.get("force", False)
    password = _password(request, body)
    if force and not host:
        raise InvalidInput("Can't force to a non-provided destination")
    if host:
        await _check_target(request, request.server, host)
    check(request, EVACUATE)
    if request.server.host_up:
        raise InvalidInput(f"Compute service of {request.server.server.host} is still in use.")
    if not request.server.host_fenced:
        # It may be running the server, cut off from us: a second one must not be started.
        raise InvalidInput(
            f"Compute service of {request.server.server.host} is silent but not declared down. "
            "Make sure that the host is switched off, then set forced_down on its nova-compute "
            "service (PUT /os-services/{service_id}) and evacuate again."
        )
    migration = MigrationStart(request.app.ids.uuid(), "evacuation", host)
    await start_action(
        request,
        EVACUATE,
        {
            "host": host,
            "force": bool(host) and (force or request.v < versions.EVACUATE_FORCE),
            "migration_uuid": str(migration.uuid),
            "stay_stopped": request.v >= versions.EVACUATED_STOPPED,
            **sealed_secrets(request, password),
        },
        migration=migration,
    )
    return password


def _password(request: Request, body: dict[str, Any]) -> str | None:
    """The one to give the new guest. Where the answer does not say it, nobody would know one that
    was made up."""
    given: str | None = body.get("adminPass")
    if request.v >= versions.SHARED_STORAGE_FOUND:
        return given
    if not body["onSharedStorage"]:
        return given or names.password()
    if given:
        raise InvalidInput("admin password can't be changed on existing disk")
    return None


async def _check_target(request: Request, placed: PlacedServer, host: str) -> None:
    if await store.compute_node_find(request.app.pool, host=host, node=None) is None:
        raise NotFound(f"Compute host {host} not found.")
    if host == placed.server.host:
        raise InvalidInput("The target host can't be the same one.")
