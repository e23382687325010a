"""Rebuild: the same server from another image, or again from its own.

Owns: the checks of what it is to be, and its new columns; what is not mentioned stays.
May not: touch the guest. Crash story: columns, action and workflow are one statement: a server is
what it was, or it says what it is being made into.
"""

from __future__ import annotations

from typing import Any

from common.db.stores import keypairs, quotas
from common.db.stores import servers as store
from common.db.stores.quotas import UNLIMITED
from common.db.stores.servers import PlacedServer
from common.domain.actions import REBUILD
from common.domain.server import Server
from common.errors import InvalidInput, NotFound, OverQuota
from common.neighbours.image import Image
from services.api.actions import check, start_action
from services.api.request import Request
from services.api.servers import access_ip, files, images, names
from services.api.servers.sealing import sealed_secrets
from services.api.targets import server_not_found

_TRUSTED_CERTS = "os_compute_api:servers:rebuild:trusted_certs"
_COLUMNS = {
    "name": "name",
    "description": "description",
    "hostname": "hostname",
    "metadata": "metadata",
    "user_data": "user_data",
    "trusted_image_certificates": "trusted_certs",
}
"""Body keys to columns that take the value as it is."""


async def rebuild(request: Request) -> tuple[PlacedServer, str]:
    """Begin; returns the server as it is to be and its admin password."""
    asked: dict[str, Any] = request.body["rebuild"]
    server = request.server.server
    check(request, REBUILD)
    if asked.get("trusted_image_certificates"):
        request.require(_TRUSTED_CERTS)
    if asked.get("preserve_ephemeral", False) and server.ephemeral_gib:
        raise InvalidInput("preserve_ephemeral: the host makes all disks of a server anew.")
    await _check_quotas(request, server, asked)
    image = await images.fetch(request, asked["imageRef"])
    images.check(
        image,
        {"memory_mib": server.memory_mib, "root_gib": server.root_gib},
        zero_disk_allowed=request.can(images.ZERO_DISK),
    )
    columns = {
        **{_COLUMNS[key]: value for key, value in asked.items() if key in _COLUMNS},
        **access_ip.columns(asked),
        **_of_image(image),
        **await _key(request, asked),
    }
    if "OS-DCF:diskConfig" in asked:
        columns["auto_disk_config"] = images.auto_disk_config(
            asked["OS-DCF:diskConfig"], image.properties, image.id
        )
    password: str = asked.get("adminPass") or names.password()
    secrets = sealed_secrets(request, password, asked.get("personality", []))
    await start_action(request, REBUILD, secrets, columns=columns)
    now = await store.server_get(request.app.pool, server.uuid)
    if now is None:
        raise server_not_found(server.uuid)
    return now, password


async def _check_quotas(request: Request, server: Server, asked: dict[str, Any]) -> None:
    metadata, injected = asked.get("metadata", {}), asked.get("personality", [])
    if not metadata and not injected:
        return
    app = request.app
    found = await quotas.limits(app.pool, server.project_id, app.settings.quota)
    limits = found.of_user(server.user_id)
    most = limits["metadata_items"]
    if most != UNLIMITED and len(metadata) > most:
        raise OverQuota(f"Maximum number of metadata items exceeds {most}")
    files.check(injected, limits)


def _of_image(image: Image) -> dict[str, Any]:
    return {
        "image_ref": image.id,
        "image_properties": image.properties,
        "kernel_id": image.properties.get("kernel_id", ""),
        "ramdisk_id": image.properties.get("ramdisk_id", ""),
    }


async def _key(request: Request, asked: dict[str, Any]) -> dict[str, Any]:
    """The caller's key of that name; null takes the server's key away."""
    if "key_name" not in asked:
        return {}
    name = asked["key_name"]
    if name is None:
        return {"key_name": None, "key_data": None}
    try:
        key = await keypairs.get(request.app.pool, request.ctx.user_id, name)
    except NotFound as error:
        raise InvalidInput("Invalid key_name provided.") from error
    return {"key_name": key.name, "key_data": key.public_key}
