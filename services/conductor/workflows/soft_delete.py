"""Delete a server softly: it is switched off and hidden until it is restored or reclaimed.

switch_off   the guest is powered off; a host that is down does not matter
"""

from __future__ import annotations

from common.domain.states import VmState
from common.errors import HostCommandFailed, MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step

EVENT = "compute_soft_delete_instance"


async def switch_off(context: Context) -> None:
    started, server = context.deps.clock.monotonic(), context.server
    if server.host is not None:
        try:
            await context.command("power_off", host=server.host, generation=server.generation)
        except HostCommandFailed as error:
            context.event(EVENT, server.host, started, error)
    if not context.changes.insert_events:
        context.event(EVENT, server.host, started)
    kept = {"soft_deleted_at": context.deps.clock.utcnow().isoformat()}
    context.change_server(
        vm_state=VmState.SOFT_DELETED,
        task_state=None,
        power_state=4,
        system_metadata={**server.system_metadata, **kept},
    )


def failed(context: Context) -> None:
    error = context.error or MusterError()
    context.event(EVENT, context.server.host, error=error)
    context.change_server(task_state=None)


SOFT_DELETE = Definition(
    "soft_delete", (Step("switch_off", switch_off, deadline_s=60),), failed=failed
)
