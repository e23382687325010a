"""Shelve a server, take it off its host, bring it back."""

from __future__ import annotations

from common.domain.actions import SHELVE, SHELVE_OFFLOAD, UNSHELVE
from services.api.actions import action_operation, simple_operation
from services.api.operation import Reply
from services.api.request import Request
from services.api.schemas import servers_shelve as schemas
from services.api.servers import unshelving


async def unshelve(request: Request) -> Reply:
    await unshelving.unshelve(request)
    return Reply()


OPERATIONS = [
    simple_operation(SHELVE),
    simple_operation(SHELVE_OFFLOAD),
    action_operation(UNSHELVE, unshelve, schemas.unshelve),
]
