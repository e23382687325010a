"""What volumes look like to clients of the Compute API."""

from __future__ import annotations

from typing import Any

from common.neighbours.volume import Volume, VolumeUse
from services.api.request import Request
from services.api.views.fields import Field, View, attribute


def _use(volume: Volume, use: VolumeUse) -> dict[str, Any]:
    device = {"device": use.device} if use.device else {}
    return {"id": volume.id, "volumeId": volume.id, "serverId": use.server_uuid, **device}


def _attachments(volume: Volume, _request: Request) -> list[dict[str, Any]]:
    """Of a volume nobody has: one empty object, which old clients look for."""
    return [_use(volume, use) for use in volume.uses if use.server_uuid] or [{}]


VOLUME = View(
    [
        Field("id", attribute("id")),
        Field("status", attribute("status")),
        Field("size", attribute("size_gib")),
        Field("availabilityZone", attribute("zone")),
        Field("createdAt", attribute("created_at")),
        Field("attachments", _attachments),
        Field("displayName", attribute("name")),
        Field("displayDescription", attribute("description")),
        Field("volumeType", attribute("volume_type")),
        Field("snapshotId", attribute("snapshot_id")),
        Field("metadata", attribute("metadata")),
    ]
)
