"""What an instance action and its events look like, with the versions that have it."""

from __future__ import annotations

from typing import Any

from services.api import versions
from services.api.request import Request
from services.api.servers.names import host_id
from services.api.views.fields import Field, Getter, View, attribute
from services.api.views.servers import naive_time

EVENTS = "os_compute_api:os-instance-actions:events"
_DETAILS = "os_compute_api:os-instance-actions:events:details"


def _time(name: str) -> Getter:
    return lambda item, _request: naive_time(getattr(item, name))


ACTION = View(
    [
        Field("action", attribute("action")),
        Field("instance_uuid", attribute("server_uuid")),
        Field("request_id", attribute("request_id")),
        Field("user_id", attribute("user_id")),
        Field("project_id", attribute("project_id")),
        Field("start_time", _time("start_time")),
        Field("message", attribute("message")),
        Field("updated_at", _time("changed_at"), since=versions.ACTION_UPDATED_AT),
    ]
)


def _of_event(name: str) -> Getter:
    return lambda item, _request: getattr(item[0], name)


def _event_time(name: str) -> Getter:
    return lambda item, _request: naive_time(getattr(item[0], name))


def _details(item: Any, _request: Request) -> str | None:
    return item[0].details if item[0].result == "Error" else None


EVENT = View(
    [
        Field("event", _of_event("event")),
        Field("start_time", _event_time("start_time")),
        Field("finish_time", _event_time("finish_time")),
        Field("result", _of_event("result")),
        Field("traceback", _of_event("traceback"), policy=EVENTS),
        Field("hostId", lambda item, _: host_id(item[1], item[0].host), since=versions.EVENT_HOST),
        Field("host", lambda item, _: item[0].host or "", since=versions.EVENT_HOST, policy=EVENTS),
        Field("details", _details, since=versions.EVENT_DETAILS, policy=_DETAILS),
    ]
)
"""Of pairs (event, id of the server's project): host ids differ between projects."""
