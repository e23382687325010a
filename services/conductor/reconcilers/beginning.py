"""How a periodic task begins an action.

Owns: who such an action is recorded for, and the wake-up. May not: skip the compare-and-set.
Crash story: the action is in the database or it is not; a lost wake-up costs a sweep.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog

from common.bus.port import BusClosed
from common.bus.topology import CONDUCTOR
from common.db.stores import server_actions
from common.db.stores.server_actions import Requester
from common.domain.actions import Action
from common.messages.workflow import RunWorkflow
from services.conductor.engine.context import Deps

log = structlog.get_logger(__name__)

MOST = 100
"""Servers one turn of a task takes on."""


async def begin(deps: Deps, uuid: UUID, action: Action, state: dict[str, Any]) -> bool:
    """Begin `action`; False when the server has changed since it was found."""
    workflow_id = await server_actions.begin_action(
        deps.pool,
        uuid,
        action,
        state=state,
        requester=Requester(deps.ids.request_id(), None, None),
        deadline_s=deps.settings.conductor.workflow_deadline_s,
    )
    if workflow_id is None:
        return False
    log.info("action_begun_by_task", action=action.records, server=str(uuid))
    try:
        wake_up = RunWorkflow(workflow_id=workflow_id, server_uuid=str(uuid))
        await deps.bus.publish(CONDUCTOR, wake_up)
    except BusClosed as error:
        log.info("wake_up_lost", error=str(error))
    return True
