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
from common.domain import block_devices
from common.domain.actions import REBUILD
from common.domain.server import Server
from common.errors import InvalidInput, NotFound, OverQuota
from common.neighbours.image import Image
from services.api import versions
from services.api.actions import check, start_action
from services.api.request import Request
from services.api.servers import access_ip, files, images, names, reserving
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
    sizes = {"memory_mib": server.memory_mib, "root_gib": server.root_gib}
    state: dict[str, Any] = {}
    if server.is_volume_backed:
        state = await _onto_volume(request, server, image, sizes)
    else:
        images.check(image, sizes, zero_disk_allowed=request.can(images.ZERO_DISK))
    columns = {
        **{_COLUMNS[key]: value for key, value in asked.items() if key in _COLUMNS},
        **access_ip.columns(asked),
        **_of_image(image, server),
        **await _key(request, asked),
    }
    if "OS-DCF:diskConfig" in asked:
        columns["auto_disk_config"] = images.auto_disk_config(
            asked["OS-DCF:diskConfig"], image.properties, image.id
        )
    password: str = asked.get("adminPass") or names.password()
    secrets = sealed_secrets(request, password, asked.get("personality", []))
    await start_action(request, REBUILD, {**secrets, **state}, columns=columns)
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


async def _onto_volume(
    request: Request, server: Server, image: Image, sizes: dict[str, Any]
) -> dict[str, Any]:
    """Input of the workflow for a server whose root disk is a volume. Before volumes could be
    written anew the image had to be the one that the volume was made of."""
    root = block_devices.root(server.block_devices)
    assert root is not None, "it is volume-backed"
    if server.trusted_certs or request.body["rebuild"].get("trusted_image_certificates"):
        raise InvalidInput(
            "Image certificate validation is not supported for volume-backed servers."
        )
    if request.v >= versions.REIMAGE_VOLUME:
        images.check_on_volume(image, sizes, root.size or 0)
        return {"reimage": image.id}
    volume = await reserving.find(request, root.volume_id or "")
    if volume.image_metadata.get("image_id") != image.id:
        raise InvalidInput("Unable to rebuild with a different image for a volume-backed server.")
    return {}


def _of_image(image: Image, server: Server) -> dict[str, Any]:
    return {
        "image_ref": None if server.is_volume_backed else image.id,
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
