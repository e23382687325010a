"""Giving up the place of a shelved server.

Owns: the one way in which a shelved server leaves its host: two steps, for after the pivot. Its
disk is in the image and its guest is switched off, so there is only forward.
May not: touch its image. Crash story: each part is repeatable.
"""

from __future__ import annotations

from common.db.stores.commit import Leftover
from common.domain.states import VmState
from services.conductor.engine.context import Context
from services.conductor.workflows import placing, ports, volumes


async def vacate(context: Context) -> None:
    """The guest goes; a host that is down, or fails, is told so when it reports."""
    server = context.server
    if server.host is not None:
        await placing.destroy_guest(context, host=server.host, generation=server.last_generation)


def vacate_left(context: Context) -> list[Leftover]:
    return placing.guest_left(context.server.host, context.server.last_generation)


async def leave(context: Context) -> None:
    """Claim and bindings go; the ports with their addresses, and the volumes, stay the server's.
    Ends with `volumes.LET_GO`."""
    await ports.rebind(context, "")
    await volumes.reserve_anew(context)
    offloaded(context)


def leave_left(context: Context) -> list[Leftover]:
    return [*ports.left(context), *volumes.left(context)]


def offloaded(context: Context) -> None:
    """What is written when the place is given up."""
    context.release_claims()
    context.change_server(
        vm_state=VmState.SHELVED_OFFLOADED, task_state=None, host=None, node=None, power_state=0
    )
