"""Flavors: what a server can be."""

from __future__ import annotations

from typing import Any

from common.db.stores import flavors
from common.db.stores.flavors import Flavor, FlavorFilter
from common.errors import InvalidInput
from services.api import versions
from services.api.identifiers import parse_number
from services.api.operation import Operation, Reply
from services.api.paging import cut, next_links
from services.api.request import Request
from services.api.schemas import flavors as schemas
from services.api.servers.flavors import SEES_PRIVATE
from services.api.views.fields import View
from services.api.views.flavors import DETAIL, SUMMARY

_NO_FLAVOR_HAS_IT = 2**62
_SORT_ATTRIBUTES = {
    "memory_mb": "memory_mib",
    "root_gb": "root_gib",
    "ephemeral_gb": "ephemeral_gib",
    "swap": "swap_mib",
    "vcpu_weight": "id",
}
_WORDS_FOR_TRUTH = {
    **dict.fromkeys(("1", "t", "true", "on", "y", "yes"), True),
    **dict.fromkeys(("0", "f", "false", "off", "n", "no"), False),
}


async def load(request: Request) -> Flavor:
    """The flavor of the path, if the caller may see it."""
    return await get_visible(request, request.params["flavor_id"])


async def get_visible(request: Request, flavorid: str) -> Flavor:
    """A flavor the caller may see; raises `NotFound`."""
    ctx = request.ctx
    return await flavors.get(
        request.app.pool, flavorid, project_id=ctx.project_id, everything=request.can(SEES_PRIVATE)
    )


async def index(request: Request) -> Reply:
    return await _list(request, SUMMARY, "flavors")


async def detail(request: Request) -> Reply:
    return await _list(request, DETAIL, "flavors", "detail")


async def _list(request: Request, view: View, *path: str) -> Reply:
    found = await flavors.find(request.app.pool, _filter(request))
    key = request.q("sort_key") or "flavorid"
    name = _SORT_ATTRIBUTES.get(key, key)
    found.sort(
        key=lambda flavor: (_sortable(getattr(flavor, name)), flavor.id),
        reverse=request.q("sort_dir") == "desc",
    )
    page = cut(request, found, _id_of)
    render = view.renderer(request)
    links = next_links(request, "flavors_links", page, _id_of, *path)
    return Reply({"flavors": [render(flavor) for flavor in page], **links})


def _id_of(flavor: Flavor) -> str:
    return flavor.flavorid


def _sortable(value: Any) -> tuple[bool, Any]:
    """Values that are not there come first."""
    return value is not None, value


def _filter(request: Request) -> FlavorFilter:
    is_public: bool | None = True
    if request.can(SEES_PRIVATE):
        is_public = _is_public(request.q("is_public"))
    return FlavorFilter(
        project_id=request.ctx.project_id,
        everything=is_public is None,
        private_only=is_public is False,
        min_ram_mib=_at_least(request, "minRam"),
        min_disk_gib=_at_least(request, "minDisk"),
        name_pattern=request.q("name"),
    )


def _is_public(word: str | None) -> bool | None:
    """Which flavors an administrator asks for; None for all."""
    if word is None:
        return True
    if word.strip().lower() == "none":
        return None
    try:
        return _WORDS_FOR_TRUTH[word.strip().lower()]
    except KeyError:
        raise InvalidInput(f"Invalid is_public filter [{word}]") from None


def _at_least(request: Request, name: str) -> int:
    text = request.q(name) or "0"
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput(f"Invalid {name} filter [{text}]")
    number = parse_number(text)
    return _NO_FLAVOR_HAS_IT if number is None else number


async def show(request: Request) -> Reply:
    return _shown(request, await load(request))


def _shown(request: Request, flavor: Flavor) -> Reply:
    return Reply({"flavor": DETAIL.renderer(request)(flavor)})


async def create(request: Request) -> Reply:
    asked = request.body["flavor"]
    flavorid = asked.get("id")
    if flavorid is None or flavorid == "auto":
        flavorid = str(request.app.ids.uuid())
    flavor = await flavors.create(
        request.app.pool,
        str(flavorid),
        asked["name"],
        description=asked.get("description"),
        memory_mib=asked["ram"],
        vcpus=asked["vcpus"],
        root_gib=asked["disk"],
        ephemeral_gib=asked.get("OS-FLV-EXT-DATA:ephemeral", 0),
        swap_mib=asked.get("swap", 0),
        rxtx_factor=asked.get("rxtx_factor", 1.0),
        is_public=asked.get("os-flavor-access:is_public", True),
    )
    return _shown(request, flavor)


async def update(request: Request) -> Reply:
    description = request.body["flavor"]["description"]
    flavorid = request.params["flavor_id"]
    return _shown(request, await flavors.describe(request.app.pool, flavorid, description))


async def delete(request: Request) -> Reply:
    await flavors.delete(request.app.pool, request.params["flavor_id"])
    return Reply()


_ONE = "/flavors/{flavor_id}"
_MANAGE = "os_compute_api:os-flavor-manage"

# fmt: off
OPERATIONS = [
    Operation("GET", "/flavors", index, policy=None, query=schemas.list_query),
    Operation("GET", "/flavors/detail", detail, policy=None, query=schemas.list_query),
    Operation("GET", _ONE, show, policy=None),
    Operation("POST", "/flavors", create, policy=f"{_MANAGE}:create", body=schemas.create),
    Operation("PUT", _ONE, update, policy=f"{_MANAGE}:update", since=versions.FLAVOR_DESCRIPTION,
              body=schemas.update),
    Operation("DELETE", _ONE, delete, policy=f"{_MANAGE}:delete", success=202),
]
