"""What services look like."""

from __future__ import annotations

from common.db.stores.os_services import COMPUTE, ServiceRecord
from services.api import versions
from services.api.request import Request
from services.api.versions import before
from services.api.views.fields import Field, View, attribute
from services.api.views.times import zoneless


def zone_of(service: ServiceRecord, request: Request) -> str:
    """The availability zone a service is in."""
    api = request.app.settings.api
    if service.binary_name == COMPUTE:
        return service.zone or api.default_availability_zone
    return api.internal_availability_zone


def status_of(service: ServiceRecord) -> str:
    return "disabled" if service.disabled else "enabled"


SERVICE = View(
    [
        Field("id", attribute("id"), until=before(versions.SERVICE_UUIDS)),
        Field("id", attribute("uuid"), since=versions.SERVICE_UUIDS),
        Field("binary", attribute("binary_name")),
        Field("host", attribute("host")),
        Field("zone", zone_of),
        Field("status", lambda service, _request: status_of(service)),
        Field("state", lambda service, _request: "up" if service.up else "down"),
        Field("updated_at", lambda service, _request: zoneless(service.last_seen_up)),
        Field("disabled_reason", attribute("disabled_reason")),
        Field("forced_down", attribute("forced_down"), since=versions.FORCED_DOWN),
    ]
)
