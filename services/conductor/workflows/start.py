"""Start a stopped server: power_on; stopped/powering-on -> active.

With state {"unless_as_it_should_be": true} nobody has asked for it: another service has said that
the guest was switched on. Unless it was, nothing is done.
"""

from __future__ import annotations

from common.domain.states import PowerState, VmState
from services.conductor.engine.context import Context
from services.conductor.workflows.one_command import one_command


async def _needed(context: Context) -> bool:
    server = context.server
    if not context.state.get("unless_as_it_should_be"):
        return True
    assert server.host is not None, "the step has checked it"
    reply = await context.command("guest_info", host=server.host, generation=server.generation)
    return bool(reply.result["power_state"] == PowerState.RUNNING)


START = one_command(
    "start",
    event="compute_start_instance",
    verb="power_on",
    needed=_needed,
    done=lambda _context, _reply: {"vm_state": VmState.ACTIVE, "fault": None},
)
