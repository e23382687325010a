"""Volumes, as old clients look for them here: passed on to the volume service.

Every call is made with the caller's token, so that the volume service decides what is theirs.
"""

from __future__ import annotations

from services.api import versions
from services.api.operation import Operation, Reply
from services.api.paging import window_of
from services.api.request import Request
from services.api.schemas import volumes as schemas
from services.api.schemas.query import any_parameters
from services.api.versions import before
from services.api.views.volumes import VOLUME

_UNTIL = before(versions.PROXIES_GONE)
_RULE = "os_compute_api:os-volumes"


async def index(request: Request) -> Reply:
    """The same with and without detail."""
    offset, limit = window_of(request)
    found = await request.app.volume.volumes(
        token=request.ctx.token, offset=str(offset), limit=str(limit)
    )
    return Reply({"volumes": list(map(VOLUME.renderer(request), found))})


async def show(request: Request) -> Reply:
    volume = await request.app.volume.volume(request.params["id"], token=request.ctx.token)
    return Reply({"volume": VOLUME.renderer(request)(volume)})


async def create(request: Request) -> Reply:
    wanted = request.body["volume"]
    made = await request.app.volume.create_volume(
        wanted["size"],
        wanted.get("display_name"),
        description=wanted.get("display_description"),
        snapshot_id=wanted.get("snapshot_id"),
        volume_type=wanted.get("volume_type"),
        zone=wanted.get("availability_zone"),
        metadata=wanted.get("metadata"),
        token=request.ctx.token,
    )
    location = request.links.self("os-volumes", made.id)
    return Reply({"volume": VOLUME.renderer(request)(made)}, headers={"Location": location})


async def delete(request: Request) -> Reply:
    await request.app.volume.delete_volume(
        request.params["id"], token=request.ctx.token, missing_ok=False
    )
    return Reply()


_ALL, _DETAIL, _ONE = "/os-volumes", "/os-volumes/detail", "/os-volumes/{id}"

# fmt: off
OPERATIONS = [
    Operation("GET", _ALL, index, f"{_RULE}:list", until=_UNTIL, query=schemas.window),
    Operation("GET", _DETAIL, index, f"{_RULE}:detail", until=_UNTIL, query=schemas.window),
    Operation("POST", _ALL, create, f"{_RULE}:create", until=_UNTIL, body=schemas.create),
    Operation("GET", _ONE, show, f"{_RULE}:show", until=_UNTIL, query=any_parameters),
    Operation("DELETE", _ONE, delete, f"{_RULE}:delete", until=_UNTIL, success=202),
]
