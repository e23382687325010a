"""Giving up the place of a shelved server.

Owns: the one way in which a shelved server leaves its host. May not: touch its image.
Crash story: each part is repeatable; the server's host is set to null with the last.
"""

from __future__ import annotations

from common.db.stores import claims
from common.domain.states import VmState
from services.conductor.engine.context import Context
from services.conductor.workflows import placing, ports


async def offload(context: Context) -> None:
    """Guest, claim and bindings go; the ports and their addresses stay the server's."""
    server = context.server
    if server.host is not None:
        await placing.destroy_guest(context, host=server.host, generation=server.generation)
    await _leave(context)


async def settle(context: Context) -> None:
    """After a failure: still shelved while the guest is there, for it goes first. Without it there
    is no way back, so the rest is given up as well."""
    server = context.server
    if server.host and await placing.guest_is_there(context, server.host, server.generation):
        context.change_server(vm_state=VmState.SHELVED, task_state=None)
    else:
        await _leave(context)


async def _leave(context: Context) -> None:
    server = context.server
    await ports.rebind(context, "")
    await claims.release(context.deps.pool, server.uuid)
    context.change_server(
        vm_state=VmState.SHELVED_OFFLOADED, task_state=None, host=None, node=None, power_state=0
    )
