"""Host aggregates. There are none and none can be made yet; the list says so, because clients look
a host up in it before they show one."""

from __future__ import annotations

from services.api.operation import Operation, Reply
from services.api.request import Request


async def index(_request: Request) -> Reply:
    return Reply({"aggregates": []})


OPERATIONS = [
    Operation("GET", "/os-aggregates", index, policy="os_compute_api:os-aggregates:index"),
]
