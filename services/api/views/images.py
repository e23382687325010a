"""What images look like to clients of the Compute API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.neighbours.image import Image
from services.api.request import Request
from services.api.views.fields import OMIT, Field, Getter, View

STATUSES = {
    "queued": "SAVING",
    "saving": "SAVING",
    "active": "ACTIVE",
    "killed": "ERROR",
    "deleted": "DELETED",
    "pending_delete": "DELETED",
}
"""From the image service's word to ours; every other one is UNKNOWN."""
_PROGRESS = {"queued": 25, "saving": 50, "active": 100}
_TRUE = frozenset({"true", "t", "1", "yes", "y", "on"})


@dataclass(frozen=True)
class Shown:
    """An image, and the address of the service that has it."""

    image: Image
    image_url: str


def _of(name: str) -> Getter:
    return lambda shown, _request: getattr(shown.image, name)


def _links(shown: Shown, request: Request) -> list[dict[str, str]]:
    alternate = {
        "rel": "alternate",
        "type": "application/vnd.openstack.image",
        "href": f"{shown.image_url}/images/{shown.image.id}",
    }
    return [*request.links.pair("images", shown.image.id), alternate]


def _server(shown: Shown, request: Request) -> Any:
    """The server of which the image was made."""
    uuid = shown.image.properties.get("instance_uuid")
    return {"id": uuid, "links": request.links.pair("servers", uuid)} if uuid else OMIT


def _disk_config(shown: Shown, _request: Request) -> Any:
    word = shown.image.properties.get("auto_disk_config")
    if word is None:
        return OMIT
    return "AUTO" if word.lower() in _TRUE else "MANUAL"


_NAMED = [
    Field("id", _of("id")),
    Field("name", _of("name")),
    Field("links", _links),
]

SUMMARY = View(_NAMED)

DETAIL = View(
    [
        *_NAMED,
        Field("minRam", _of("min_ram_mib")),
        Field("minDisk", _of("min_disk_gib")),
        Field("metadata", _of("properties")),
        Field("created", _of("created_at")),
        Field("updated", _of("updated_at")),
        Field("status", lambda shown, _: STATUSES.get(shown.image.status, "UNKNOWN")),
        Field("progress", lambda shown, _: _PROGRESS.get(shown.image.status, 0)),
        Field("OS-EXT-IMG-SIZE:size", lambda shown, _: shown.image.size_bytes or 0),
        Field("server", _server),
        Field("OS-DCF:diskConfig", _disk_config),
    ]
)
