"""Rescue a server from an image, and end the rescue."""

from __future__ import annotations

from common.domain.actions import RESCUE, UNRESCUE
from services.api.actions import action_operation, check, simple_operation, start_action
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_rescue as schemas
from services.api.servers import images, names
from services.api.servers.sealing import sealed_secrets


async def rescue(request: Request) -> Reply:
    check(request, RESCUE)
    asked = request.body["rescue"] or {}
    image_ref = asked.get("rescue_image_ref")
    if image_ref is not None:
        images.check_active(await images.fetch(request, image_ref))
    password = asked.get("adminPass") or names.password()
    await start_action(
        request, RESCUE, {"image_id": image_ref, **sealed_secrets(request, password)}
    )
    return Reply({"adminPass": password})


OPERATIONS = [
    action_operation(RESCUE, rescue, schemas.rescue, success=200),
    simple_operation(UNRESCUE),
]
