"""Metadata of an image: the properties it has in the image service.

Written with the caller's token: who may change an image is decided there. Two writers at once may
lose one another's key only if they write the same one, since only differences are sent.
"""

from __future__ import annotations

from common.errors import InvalidInput, NotFound
from common.neighbours.image import Image
from services.api import versions
from services.api.handlers.images import load
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import servers_metadata as schemas
from services.api.servers.imaging import check_quota
from services.api.versions import before

_UNTIL = before(versions.IMAGE_METADATA_GONE)


async def index(request: Request) -> Reply:
    image = await load(request, "image_id")
    return Reply({"metadata": image.properties})


async def show(request: Request) -> Reply:
    image, key = await load(request, "image_id"), request.params["id"]
    return Reply({"meta": {key: _value(image, key)}})


async def create(request: Request) -> Reply:
    image = await load(request, "image_id")
    wanted = {**image.properties, **request.body["metadata"]}
    return Reply({"metadata": await _write(request, image, wanted)})


async def update_all(request: Request) -> Reply:
    image = await load(request, "image_id")
    return Reply({"metadata": await _write(request, image, request.body["metadata"])})


async def update(request: Request) -> Reply:
    meta, key = request.body["meta"], request.params["id"]
    if key not in meta:
        raise InvalidInput("Request body and URI mismatch")
    image = await load(request, "image_id")
    await _write(request, image, {**image.properties, **meta})
    return Reply({"meta": meta})


async def delete(request: Request) -> Reply:
    image, key = await load(request, "image_id"), request.params["id"]
    _value(image, key)
    await request.app.image.patch(image.id, remove=[key], token=request.ctx.token)
    return Reply()


def _value(image: Image, key: str) -> str:
    if key not in image.properties:
        raise NotFound("Metadata item was not found")
    return image.properties[key]


async def _write(request: Request, image: Image, wanted: dict[str, str]) -> dict[str, str]:
    """The metadata afterwards; raises `OverQuota` for too many items."""
    await check_quota(request, wanted)
    old = image.properties
    changed = await request.app.image.patch(
        image.id,
        add={key: value for key, value in wanted.items() if key not in old},
        replace={key: value for key, value in wanted.items() if old.get(key, value) != value},
        remove=[key for key in old if key not in wanted],
        token=request.ctx.token,
    )
    return changed.properties


_PATH = "/images/{image_id}/metadata"
_ITEM = _PATH + "/{id}"

# fmt: off
OPERATIONS = [
    Operation("GET", _PATH, index, policy=None, until=_UNTIL),
    Operation("POST", _PATH, create, policy=None, until=_UNTIL, body=schemas.metadata),
    Operation("PUT", _PATH, update_all, policy=None, until=_UNTIL, body=schemas.metadata),
    Operation("GET", _ITEM, show, policy=None, until=_UNTIL),
    Operation("PUT", _ITEM, update, policy=None, until=_UNTIL, body=schemas.item),
    Operation("DELETE", _ITEM, delete, policy=None, until=_UNTIL, success=204),
]
