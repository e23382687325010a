"""What a volume of a server looks like in answers.

Owns: the one form. May not: look anything up. Crash story: none, pure functions.
"""

from __future__ import annotations

from services.api import versions
from services.api.versions import before
from services.api.views.fields import OMIT, Field, View, attribute

# fmt: off
ATTACHMENT = View([
    Field("id", attribute("volume_id"), until=before(versions.ATTACHMENT_IDS)),
    Field("serverId", lambda _, request: request.server.server.uuid),
    Field("volumeId", attribute("volume_id")),
    Field("device", lambda device, _: device.device_name or OMIT),
    Field("tag", attribute("tag"), since=versions.ATTACH_TAGS_SHOWN),
    Field("delete_on_termination", attribute("delete_on_termination"),
          since=versions.DELETE_ON_TERMINATION),
    Field("attachment_id", attribute("attachment_id"), since=versions.ATTACHMENT_IDS),
    Field("bdm_uuid", attribute("uuid"), since=versions.ATTACHMENT_IDS),
])
# fmt: on
"""Render a `BlockDevice` of the request's server."""
