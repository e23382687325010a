"""The server action that older hypervisors needed to make a guest learn its network."""

from __future__ import annotations

from common.domain.actions import INJECT_NETWORK_INFO
from services.api.actions import action_operation, check
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas.servers_actions import bare


async def inject(request: Request) -> Reply:
    """Guests get their network from the network service; there is nothing to inject."""
    check(request, INJECT_NETWORK_INFO)
    return Reply()


OPERATIONS = [action_operation(INJECT_NETWORK_INFO, inject, bare(INJECT_NETWORK_INFO.key))]
