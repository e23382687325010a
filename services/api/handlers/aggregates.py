"""Aggregates: hosts that have something in common, above all a zone."""

from __future__ import annotations

from typing import Any

from common.db.stores import aggregates
from common.db.stores.aggregates import ZONE, Aggregate
from common.errors import InvalidInput
from services.api import versions
from services.api.host_images import cache_on_hosts
from services.api.identifiers import parse_number
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import aggregates as schemas
from services.api.views.aggregates import AGGREGATE, CREATED
from services.api.views.fields import View


def _id(request: Request) -> int:
    """Raises `InvalidInput` for what is no number; one below 1, or too large, is nobody's."""
    text = request.params["id"]
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise InvalidInput(f"Invalid input: id must be an integer, not '{text}'")
    number = parse_number(text)
    return 0 if number is None else number


def _default_zone(request: Request) -> str:
    return request.app.settings.api.default_availability_zone


def _shown(request: Request, aggregate: Aggregate, view: View = AGGREGATE) -> Reply:
    return Reply({"aggregate": view.renderer(request)(aggregate)})


async def index(request: Request) -> Reply:
    render = AGGREGATE.renderer(request)
    return Reply({"aggregates": [render(each) for each in await aggregates.find(request.app.pool)]})


async def create(request: Request) -> Reply:
    asked: dict[str, Any] = request.body["aggregate"]
    made = await aggregates.create(
        request.app.pool, request.app.ids.uuid(), asked["name"], asked.get(ZONE)
    )
    return _shown(request, made, CREATED)


async def show(request: Request) -> Reply:
    return _shown(request, await aggregates.get(request.app.pool, _id(request)))


async def update(request: Request) -> Reply:
    asked: dict[str, Any] = request.body["aggregate"]
    if ZONE in asked:
        _require_zone(asked[ZONE])
    changed = await aggregates.update(
        request.app.pool,
        _id(request),
        name=asked["name"].strip() if "name" in asked else None,
        zone=asked.get(ZONE),
        default_zone=_default_zone(request),
    )
    return _shown(request, changed)


def _require_zone(zone: str | None) -> None:
    if not zone or ":" in zone:
        raise InvalidInput(
            "An aggregate cannot be given an availability zone without a name, or one whose name "
            "contains ':'."
        )


async def delete(request: Request) -> Reply:
    await aggregates.delete(request.app.pool, _id(request))
    return Reply()


async def add_host(request: Request) -> Reply:
    host: str = request.body["add_host"]["host"]
    return _shown(
        request,
        await aggregates.add_host(
            request.app.pool, _id(request), host, default_zone=_default_zone(request)
        ),
    )


async def remove_host(request: Request) -> Reply:
    host: str = request.body["remove_host"]["host"]
    return _shown(
        request,
        await aggregates.remove_host(
            request.app.pool, _id(request), host, default_zone=_default_zone(request)
        ),
    )


async def set_metadata(request: Request) -> Reply:
    items: dict[str, str | None] = dict(request.body["set_metadata"]["metadata"])
    zone = None
    if ZONE in items:
        zone = items.pop(ZONE)
        _require_zone(zone)
    changed = await aggregates.update(
        request.app.pool,
        _id(request),
        zone=zone,
        metadata=items,
        default_zone=_default_zone(request),
    )
    return _shown(request, changed)


async def cache_images(request: Request) -> Reply:
    """The hosts are asked; when they have the images is theirs to say."""
    images = [each["id"] for each in request.body["cache"]]
    if len(set(images)) < len(images):
        raise InvalidInput("An image may be named once.")
    aggregate = await aggregates.get(request.app.pool, _id(request))
    await cache_on_hosts(request, aggregate.hosts, images)
    return Reply()


_ALL = "/os-aggregates"
_ONE = "/os-aggregates/{id}"
_ACTION = f"{_ONE}/action"
_RULE = "os_compute_api:os-aggregates"

# fmt: off
OPERATIONS = [
    Operation("GET", _ALL, index, policy=f"{_RULE}:index"),
    Operation("POST", _ALL, create, policy=f"{_RULE}:create", body=schemas.create),
    Operation("GET", _ONE, show, policy=f"{_RULE}:show"),
    Operation("PUT", _ONE, update, policy=f"{_RULE}:update", body=schemas.update),
    Operation("DELETE", _ONE, delete, policy=f"{_RULE}:delete"),
    Operation("POST", _ACTION, add_host, policy=f"{_RULE}:add_host", action="add_host",
              body=schemas.add_host),
    Operation("POST", _ACTION, remove_host, policy=f"{_RULE}:remove_host", action="remove_host",
              body=schemas.remove_host),
    Operation("POST", _ACTION, set_metadata, policy=f"{_RULE}:set_metadata", action="set_metadata",
              body=schemas.set_metadata),
    Operation("POST", f"{_ONE}/images", cache_images, policy="compute:aggregates:images",
              since=versions.CACHE_IMAGES, body=schemas.cache_images, success=202),
]
