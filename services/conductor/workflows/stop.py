"""Stop a server: power_off; */powering-off -> stopped.

With state {"unless_as_it_should_be": true} nobody has asked for it: a report said that the guest is
not as its server (see power.py). By now it may be, and then nothing is done.
"""

from __future__ import annotations

from common.domain.states import PowerState, VmState
from services.conductor.engine.context import Context
from services.conductor.workflows.one_command import one_command

_RIGHT = {
    VmState.ACTIVE: {PowerState.RUNNING},
    VmState.PAUSED: {PowerState.PAUSED},
    VmState.STOPPED: {PowerState.SHUTDOWN, PowerState.CRASHED},
}


async def _needed(context: Context) -> bool:
    server = context.server
    if not context.state.get("unless_as_it_should_be"):
        return True
    assert server.host is not None, "the step has checked it"
    reply = await context.command("guest_info", host=server.host, generation=server.generation)
    return reply.result["power_state"] not in _RIGHT[VmState(server.vm_state)]


STOP = one_command(
    "stop",
    event="compute_stop_instance",
    verb="power_off",
    needed=_needed,
    done=lambda _context, _reply: {"vm_state": VmState.STOPPED, "fault": None},
)
