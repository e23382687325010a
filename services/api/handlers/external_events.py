"""What other services say about servers: os-server-external-events."""

from __future__ import annotations

from uuid import UUID

from common.db.stores import addresses as store
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas import external_events as schemas
from services.api.servers.external_events import accept

_RULE = "os_compute_api:os-server-external-events:create"


async def create(request: Request) -> Reply:
    """Each event has a code of its own; 207 when one of them was not accepted."""
    events = request.body["events"]
    places = await store.places(request.app.pool, {UUID(event["server_uuid"]) for event in events})
    answers = await accept(request, events, places)
    refused = any(answer["code"] != 200 for answer in answers)
    return Reply({"events": answers}, status=207 if refused else 200)


OPERATIONS = [
    Operation("POST", "/os-server-external-events", create, _RULE, body=schemas.events),
]
