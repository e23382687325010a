"""What a server has written to its console."""

from __future__ import annotations

from common.domain.actions import CONSOLE_OUTPUT
from services.api.actions import action_operation, check
from services.api.host_calls import ask_host
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_console as schemas

EVERYTHING = -1


async def output(request: Request) -> Reply:
    """The last `length` lines; all of them without it."""
    placed = request.server
    check(request, CONSOLE_OUTPUT)
    asked = request.body[CONSOLE_OUTPUT.key].get("length")
    length = None if asked == EVERYTHING else asked
    found = await ask_host(request, placed, "console_output", length=length)
    return Reply({"output": found["output"] if length != 0 else ""})


OPERATIONS = [action_operation(CONSOLE_OUTPUT, output, schemas.output, success=200)]
