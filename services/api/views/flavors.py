"""What flavors look like."""

from __future__ import annotations

from common.db.stores.flavors import Flavor
from services.api.request import Request
from services.api.views.fields import Field, View, attribute

EXTRA_SPECS_RULE = "os_compute_api:os-flavor-extra-specs:index"


def _links(flavor: Flavor, request: Request) -> list[dict[str, str]]:
    return request.links.pair("flavors", flavor.flavorid)


def _swap(flavor: Flavor, request: Request) -> int | str:
    """No swap is an empty text for older clients."""
    return flavor.swap_mib or ("" if request.v < 75 else 0)


_NAMED = [
    Field("id", attribute("flavorid")),
    Field("name", attribute("name")),
    Field("links", _links),
    Field("description", attribute("description"), since=55),
]

SUMMARY = View(_NAMED)

DETAIL = View(
    [
        *_NAMED,
        Field("ram", attribute("memory_mib")),
        Field("disk", attribute("root_gib")),
        Field("swap", _swap),
        Field("OS-FLV-EXT-DATA:ephemeral", attribute("ephemeral_gib")),
        Field("OS-FLV-DISABLED:disabled", attribute("disabled"), until=101),
        Field("vcpus", attribute("vcpus")),
        Field("os-flavor-access:is_public", attribute("is_public")),
        Field("rxtx_factor", attribute("rxtx_factor"), until=101),
        Field("extra_specs", attribute("extra_specs"), since=61, policy=EXTRA_SPECS_RULE),
    ]
)
