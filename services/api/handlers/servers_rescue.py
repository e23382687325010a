"""Rescue a server from an image, and end the rescue."""

from __future__ import annotations

from common.domain import block_devices
from common.domain.actions import RESCUE, UNRESCUE
from common.errors import Conflict, InvalidInput
from services.api import versions
from services.api.actions import action_operation, check, simple_operation, start_action
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_rescue as schemas
from services.api.servers import images, names
from services.api.servers.sealing import sealed_secrets


async def rescue(request: Request) -> Reply:
    check(request, RESCUE)
    await _check_volumes(request)
    asked = request.body["rescue"] or {}
    image_ref = asked.get("rescue_image_ref")
    if image_ref is not None:
        images.check_active(await images.fetch(request, image_ref))
    password = asked.get("adminPass") or names.password()
    await start_action(
        request, RESCUE, {"image_id": image_ref, **sealed_secrets(request, password)}
    )
    return Reply({"adminPass": password})


async def _check_volumes(request: Request) -> None:
    """Raises `InvalidInput` for a version that cannot rescue from beside a volume, `Conflict` while
    a volume comes or goes."""
    server = request.server.server
    if server.is_volume_backed and request.v < versions.RESCUE_VOLUME_BACKED:
        raise InvalidInput(
            f"Instance {server.uuid} cannot be rescued: Cannot rescue a volume-backed instance"
        )
    for device in block_devices.attached(server.block_devices):
        status = (await request.app.volume.volume(str(device.volume_id))).status
        if status != "in-use":
            raise Conflict(
                f"Invalid volume: volume '{device.volume_id}' status must be 'in-use'. "
                f"Currently in '{status}' status"
            )


OPERATIONS = [
    action_operation(RESCUE, rescue, schemas.rescue, success=200),
    simple_operation(UNRESCUE),
]
