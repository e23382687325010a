"""Restore a server that was softly deleted."""

from __future__ import annotations

from common.domain.actions import RESTORE
from services.api.actions import action_operation, start_action
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas.servers_actions import bare


async def restore(request: Request) -> Reply:
    """While it was deleted it did not count in the quota."""
    placed = request.server
    server = placed.server
    adds = {"instances": 1, "cores": server.vcpus, "ram": server.memory_mib}
    await start_action(request, RESTORE, adds=adds)
    return Reply()


OPERATIONS = [action_operation(RESTORE, restore, bare(RESTORE.key))]
