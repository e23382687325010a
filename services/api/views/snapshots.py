"""What snapshots of volumes look like to clients of the Compute API."""

from __future__ import annotations

from services.api.views.fields import Field, View, attribute

SNAPSHOT = View(
    [
        Field("id", attribute("id")),
        Field("volumeId", attribute("volume_id")),
        Field("status", attribute("status")),
        Field("size", attribute("size_gib")),
        Field("createdAt", attribute("created_at")),
        Field("displayName", attribute("name")),
        Field("displayDescription", attribute("description")),
    ]
)
