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
    await ports.rebind(context, "")
    await claims.release(context.deps.pool, server.uuid)
    context.change_server(
        vm_state=VmState.SHELVED_OFFLOADED, task_state=None, host=None, node=None, power_state=0
    )
