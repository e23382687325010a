"""Snapshots of volumes, as old clients look for them here: passed on to the volume service.

Every call is made with the caller's token, so that the volume service decides what is theirs.
"""

from __future__ import annotations

from services.api import versions
from services.api.operation import Operation, Reply
from services.api.paging import window_of
from services.api.request import Request
from services.api.schemas import snapshots as schemas
from services.api.schemas.query import any_parameters
from services.api.schemas.volumes import window
from services.api.versions import before
from services.api.views.snapshots import SNAPSHOT

_UNTIL = before(versions.PROXIES_GONE)
_RULE = "os_compute_api:os-volumes:snapshots"


async def index(request: Request) -> Reply:
    """The same with and without detail."""
    offset, limit = window_of(request)
    found = await request.app.volume.snapshots(
        token=request.ctx.token, offset=str(offset), limit=str(limit)
    )
    return Reply({"snapshots": list(map(SNAPSHOT.renderer(request), found))})


async def show(request: Request) -> Reply:
    snapshot = await request.app.volume.snapshot(request.params["id"], token=request.ctx.token)
    return Reply({"snapshot": SNAPSHOT.renderer(request)(snapshot)})


async def create(request: Request) -> Reply:
    wanted = request.body["snapshot"]
    made = await request.app.volume.create_snapshot(
        wanted["volume_id"],
        wanted.get("display_name"),
        description=wanted.get("display_description"),
        force=wanted.get("force", False),
        token=request.ctx.token,
    )
    return Reply({"snapshot": SNAPSHOT.renderer(request)(made)})


async def delete(request: Request) -> Reply:
    await request.app.volume.delete_snapshot(
        request.params["id"], token=request.ctx.token, missing_ok=False
    )
    return Reply()


_ALL, _DETAIL, _ONE = "/os-snapshots", "/os-snapshots/detail", "/os-snapshots/{id}"

# fmt: off
OPERATIONS = [
    Operation("GET", _ALL, index, f"{_RULE}:list", until=_UNTIL, query=window),
    Operation("GET", _DETAIL, index, f"{_RULE}:detail", until=_UNTIL, query=window),
    Operation("POST", _ALL, create, f"{_RULE}:create", until=_UNTIL, body=schemas.create),
    Operation("GET", _ONE, show, f"{_RULE}:show", until=_UNTIL, query=any_parameters),
    Operation("DELETE", _ONE, delete, f"{_RULE}:delete", until=_UNTIL, success=202),
]
