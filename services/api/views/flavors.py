"""What flavors look like."""

from __future__ import annotations

from common.db.stores.flavors import Flavor
from services.api import versions
from services.api.request import Request
from services.api.versions import before
from services.api.views.fields import Field, View, attribute

EXTRA_SPECS_RULE = "os_compute_api:os-flavor-extra-specs:index"
_FACTOR_UNTIL = before(versions.FLAVOR_FACTOR_GONE)


def _links(flavor: Flavor, request: Request) -> list[dict[str, str]]:
    return request.links.pair("flavors", flavor.flavorid)


def _swap(flavor: Flavor, request: Request) -> int | str:
    """No swap is an empty text for older clients."""
    return flavor.swap_mib or ("" if request.v < versions.SWAP_NUMBER else 0)


_NAMED = [
    Field("id", attribute("flavorid")),
    Field("name", attribute("name")),
    Field("links", _links),
    Field("description", attribute("description"), since=versions.FLAVOR_DESCRIPTION),
]

SUMMARY = View(_NAMED)

DETAIL = View(
    [
        *_NAMED,
        Field("ram", attribute("memory_mib")),
        Field("disk", attribute("root_gib")),
        Field("swap", _swap),
        Field("OS-FLV-EXT-DATA:ephemeral", attribute("ephemeral_gib")),
        Field(
            "OS-FLV-DISABLED:disabled",
            attribute("disabled"),
            until=_FACTOR_UNTIL,
        ),
        Field("vcpus", attribute("vcpus")),
        Field("os-flavor-access:is_public", attribute("is_public")),
        Field("rxtx_factor", attribute("rxtx_factor"), until=_FACTOR_UNTIL),
        Field(
            "extra_specs",
            attribute("extra_specs"),
            since=versions.FLAVOR_EXTRA_SPECS,
            policy=EXTRA_SPECS_RULE,
        ),
    ]
)
