"""Volumes of a server: list, attach, detach, change, swap."""

from __future__ import annotations

from common.domain import block_devices
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import volume_attachments as schemas
from services.api.schemas.query import any_parameters
from services.api.servers import volumes
from services.api.targets import SERVER
from services.api.versions import before
from services.api.views.volume_attachments import ATTACHMENT

_RULE = "os_compute_api:os-volumes-attachments:"


async def index(request: Request) -> Reply:
    found = block_devices.attached(request.server.server.block_devices)
    most, offset = request.app.settings.api.max_limit, request.q("offset") or 0
    end = offset + min(request.q("limit") or most, most)
    render = ATTACHMENT.renderer(request)
    return Reply({"volumeAttachments": [render(device) for device in found[offset:end]]})


async def show(request: Request) -> Reply:
    render = ATTACHMENT.renderer(request)
    return Reply({"volumeAttachment": render(volumes.find(request))})


async def create(request: Request) -> Reply:
    device = await volumes.attach(request, request.body["volumeAttachment"])
    if request.v >= versions.ATTACH_WITHOUT_BODY:
        return Reply()
    shown = ATTACHMENT.renderer(request)(device)
    # An answer to the question, not the whole record.
    kept = {"id": device.volume_id} | {
        name: shown[name] for name in shown.keys() - {"attachment_id", "bdm_uuid"}
    }
    return Reply({"volumeAttachment": kept})


def _changes_only(request: Request) -> bool:
    """Not the volume, but what is said about it."""
    asked = request.body["volumeAttachment"]["volumeId"]
    return request.v >= versions.UPDATE_ATTACHMENT and bool(asked == request.params["id"])


def _update_rule(request: Request) -> str:
    return _RULE + ("update" if _changes_only(request) else "swap")


async def update(request: Request) -> Reply:
    asked = request.body["volumeAttachment"]
    if request.v >= versions.UPDATE_ATTACHMENT:
        await volumes.update(request, asked)
    if not _changes_only(request):
        await volumes.swap(request, asked["volumeId"])
    return Reply()


async def delete(request: Request) -> Reply:
    await volumes.detach(request)
    return Reply()


def _attached(version: int) -> int:
    return 200 if version <= before(versions.ATTACH_WITHOUT_BODY) else 202


_PATH = "/servers/{server_id}/os-volume_attachments"
_ITEM = _PATH + "/{id}"
OPERATIONS = [
    Operation("GET", _PATH, index, _RULE + "index", SERVER, query=schemas.index),
    Operation(
        "POST", _PATH, create, _RULE + "create", SERVER, body=schemas.create, success=_attached
    ),
    Operation("GET", _ITEM, show, _RULE + "show", SERVER, query=any_parameters),
    Operation("PUT", _ITEM, update, _update_rule, SERVER, body=schemas.update, success=202),
    Operation("DELETE", _ITEM, delete, _RULE + "delete", SERVER, success=202),
]
