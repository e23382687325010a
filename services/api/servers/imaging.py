"""createImage and createBackup: the record of the image, made in the caller's name.

Owns: what the image says about itself and where it comes from. May not: upload anything; that is
the workflow's business, which also removes the image when it fails.
Crash story: a crash between the record and the action leaves a queued image without data, which
its owner sees and can delete.
"""

from __future__ import annotations

import contextlib
from typing import Any

import structlog

from common.db.stores import quotas
from common.db.stores.quotas import UNLIMITED
from common.domain.actions import CREATE_BACKUP, CREATE_IMAGE_OF_VOLUMES, Action
from common.domain.server import Server
from common.errors import InvalidInput, MusterError, NotFound, OverQuota
from common.neighbours.image import Image
from services.api import versions
from services.api.actions import check, start_action
from services.api.request import Request
from services.api.servers.sealing import sealed_token

log = structlog.get_logger(__name__)

_OF_VOLUMES = "os_compute_api:servers:create_image:allow_volume_backed"
_NOT_INHERITED_PREFIXES = ("img_signature",)
_NOT_INHERITED = frozenset(
    {"cache_in_nova", "bittorrent", "cinder_encryption_key_id",
     "cinder_encryption_key_deletion_policy"}
)  # fmt: skip
"""True of the bytes of the base image, not of those of the new one."""


async def start(
    request: Request,
    action: Action,
    asked: dict[str, Any],
    extra: dict[str, Any] | None = None,
) -> str:
    """Make the image's record and begin the action; returns the image's id.

    `asked` has name and metadata, `extra` is further input of the workflow. Raises `Conflict` when
    the state forbids it (the record is removed again when another request came first), `OverQuota`
    for too much metadata, and what the image service says.
    """
    if request.server.server.is_volume_backed and action is not CREATE_BACKUP:
        request.require(_OF_VOLUMES)
    check(request, action)
    if request.server.server.is_volume_backed:
        if action is CREATE_BACKUP:
            raise InvalidInput("Backup is not supported for volume-backed instances.")
        action = CREATE_IMAGE_OF_VOLUMES
        extra = {"name": asked["name"], **sealed_token(request)}
    extra, metadata = extra or {}, asked.get("metadata", {})
    await check_quota(request, metadata)
    own = _properties(request, request.server.server, extra)
    properties = {"image_type": "snapshot", **metadata, **own}
    image = await _record(request, request.server.server, asked["name"], properties)
    try:
        await start_action(request, action, {"image_id": image.id, **extra})
    except Exception:
        with contextlib.suppress(MusterError):
            await request.app.image.delete(image.id, token=request.ctx.token)
        raise
    return image.id


async def check_quota(request: Request, metadata: dict[str, str]) -> None:
    """Raises `OverQuota` for an image with too much metadata."""
    if request.v >= versions.IMAGE_METADATA_GONE or not metadata:
        return
    app = request.app
    found = await quotas.limits(app.pool, request.ctx.project_id, app.settings.quota)
    most = found.of_user(request.ctx.user_id)["metadata_items"]
    if most != UNLIMITED and len(metadata) > most:
        raise OverQuota("Image metadata limit exceeded")


def _properties(request: Request, server: Server, extra: dict[str, Any]) -> dict[str, str]:
    """What the image says about itself, whatever the user says about it: of its type only that it
    is a backup, because backups are found by it."""
    own = {
        "image_location": "snapshot",
        "instance_uuid": str(server.uuid),
        "user_id": request.ctx.user_id,
        "base_image_ref": server.image_ref or "",
    }
    if "backup_type" in extra:
        own |= {"image_type": "backup", "backup_type": extra["backup_type"]}
    return own


async def _record(request: Request, server: Server, name: str, properties: dict[str, str]) -> Image:
    base = await _base(request, server)
    fields: dict[str, Any] = {}
    if server.project_id != request.ctx.project_id:
        fields["owner"] = server.project_id  # an administrator makes it for the server's project
    return await request.app.image.create(
        token=request.ctx.token,
        properties={**_inherited(server), **properties},
        name=name,
        visibility="private",
        container_format=(base and base.container_format) or "bare",
        disk_format=(base and base.disk_format) or "qcow2",
        min_disk=_min_disk(server, base),
        min_ram=base.min_ram_mib if base else 0,
        **fields,
    )


def _min_disk(server: Server, base: Image | None) -> int:
    """Of servers whose root disk is a volume the snapshots know their sizes."""
    if server.is_volume_backed:
        return 0
    return max(server.root_gib, base.min_disk_gib if base else 0)


async def _base(request: Request, server: Server) -> Image | None:
    """The image the server was made of, which may be gone."""
    if not server.image_ref:
        return None
    try:
        return await request.app.image.get(server.image_ref)
    except NotFound:
        return None


def _inherited(server: Server) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in server.image_properties.items()
        if name not in _NOT_INHERITED and not name.startswith(_NOT_INHERITED_PREFIXES)
    }
