"""Make an image or a rotated backup of a server."""

from __future__ import annotations

from common.domain.actions import CREATE_BACKUP, CREATE_IMAGE
from services.api import versions
from services.api.actions import action_operation
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_images as schemas
from services.api.servers import imaging


async def create_image(request: Request) -> Reply:
    asked = request.body["createImage"]
    return _accepted(request, await imaging.start(request, CREATE_IMAGE, asked))


async def create_backup(request: Request) -> Reply:
    asked = request.body["createBackup"]
    extra = {"backup_type": asked["backup_type"], "rotation": asked["rotation"]}
    return _accepted(request, await imaging.start(request, CREATE_BACKUP, asked, extra))


def _accepted(request: Request, image_id: str) -> Reply:
    if request.v >= versions.IMAGE_ID_IN_BODY:
        return Reply({"image_id": image_id})
    return Reply(headers={"Location": request.links.self("images", image_id)})


OPERATIONS = [
    action_operation(CREATE_IMAGE, create_image, schemas.create_image),
    action_operation(CREATE_BACKUP, create_backup, schemas.create_backup),
]
