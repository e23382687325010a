"""Images, as old clients look for them here: passed on to the image service.

Every call is made with the caller's token; what may be seen and deleted is decided there, so
there are no rules for it here.
"""

from __future__ import annotations

from common.errors import NotFound
from common.neighbours.image import Image
from services.api import versions
from services.api.operation import Operation, Reply
from services.api.paging import limit_of, next_links
from services.api.request import Request
from services.api.schemas import images as schemas
from services.api.versions import before
from services.api.views.fields import View
from services.api.views.images import DETAIL, STATUSES, SUMMARY, Shown

_UNTIL = before(versions.PROXIES_GONE)
_FILTERS = {
    "name": "name",
    "minRam": "min_ram",
    "minDisk": "min_disk",
    "type": "image_type",
    "marker": "marker",
}
"""Parameters that the image service takes as they are, under its own names."""
_PROPERTY = "property-"


async def load(request: Request, name: str = "id") -> Image:
    """The image of the path as the caller sees it."""
    try:
        return await request.app.image.get(request.params[name], token=request.ctx.token)
    except NotFound as error:
        raise NotFound("Image not found.") from error


async def index(request: Request) -> Reply:
    return await _list(request, SUMMARY)


async def detail(request: Request) -> Reply:
    return await _list(request, DETAIL, "detail")


async def _list(request: Request, view: View, *path: str) -> Reply:
    found = await request.app.image.list(
        token=request.ctx.token, filters=_filters(request), limit=limit_of(request)
    )
    render, url = view.renderer(request), await _image_url(request)
    links = next_links(request, "images_links", found, lambda i: i.id, "images", *path)
    return Reply({"images": [render(Shown(image, url)) for image in found], **links})


async def _image_url(request: Request) -> str:
    return await request.app.session.public_endpoint("image")


def _filters(request: Request) -> dict[str, str]:
    """The query in the image service's words."""
    filters = {
        name.removeprefix(_PROPERTY): values[-1]
        for name, values in request.query.items()
        if name.startswith(_PROPERTY)
    }
    for ours, theirs in _FILTERS.items():
        if (value := request.q(ours)) is not None:
            filters[theirs] = value
    if (status := request.q("status")) is not None:
        known = [word for word, shown in STATUSES.items() if shown == status.upper()]
        filters["status"] = f"in:{','.join(known or [status.lower()])}"
    if (since := request.q("changes-since")) is not None:
        filters["updated_at"] = f"gte:{since}"
    if (server := request.q("server")) is not None:
        filters["instance_uuid"] = server.rsplit("/", 1)[-1]  # an id, or one of a server's links
    return filters


async def show(request: Request) -> Reply:
    shown = Shown(await load(request), await _image_url(request))
    return Reply({"image": DETAIL.renderer(request)(shown)})


async def delete(request: Request) -> Reply:
    try:
        await request.app.image.delete(
            request.params["id"], token=request.ctx.token, missing_ok=False
        )
    except NotFound as error:
        raise NotFound("Image not found.") from error
    return Reply()


_ONE = "/images/{id}"

# fmt: off
OPERATIONS = [
    Operation("GET", "/images", index, policy=None, until=_UNTIL, query=schemas.list_query),
    Operation("GET", "/images/detail", detail, policy=None, until=_UNTIL, query=schemas.list_query),
    Operation("GET", _ONE, show, policy=None, until=_UNTIL),
    Operation("DELETE", _ONE, delete, policy=None, until=_UNTIL, success=204),
]
