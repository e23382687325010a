"""Server actions that older hypervisors needed to make a guest learn its network."""

from __future__ import annotations

from common.domain.actions import INJECT_NETWORK_INFO
from services.api.actions import action_operation, check
from services.api.http.faults import HttpError
from services.api.operation import Operation, Reply
from services.api.request import Request
from services.api.schemas.servers_actions import bare

RESET_NETWORK = "resetNetwork"


async def inject(request: Request) -> Reply:
    """Guests get their network from the network service; there is nothing to inject."""
    check(request, INJECT_NETWORK_INFO)
    return Reply()


async def reset(_request: Request) -> Reply:
    raise HttpError(410, "The resetNetwork action has been removed.")


OPERATIONS = [
    action_operation(INJECT_NETWORK_INFO, inject, bare(INJECT_NETWORK_INFO.key)),
    Operation("POST", "/servers/{server_id}/action", reset, policy=None, action=RESET_NETWORK),
]
