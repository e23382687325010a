"""Give up the place of a shelved server: shelved/shelving_offloading -> shelved_offloaded.

    vacate   the guest goes
    leave    claim and bindings are given up, volumes are reserved without a host
    let_volumes_go   the attachments of the host are deleted

There is no way back: the image has been the server since it was shelved.
"""

from __future__ import annotations

from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import offloading, volumes

EVENT = "compute_shelve_offload_instance"


async def leave(context: Context) -> None:
    started, host = context.deps.clock.monotonic(), context.server.host
    await offloading.leave(context)
    context.event(EVENT, host, started)


def leave_otherwise(context: Context) -> None:
    context.event(EVENT, context.server.host, error=context.error)
    offloading.offloaded(context)


SHELVE_OFFLOAD = Definition(
    "shelve_offload",
    (
        Step(
            "vacate",
            offloading.vacate,
            deadline_s=60,
            durable=False,
            left=offloading.vacate_left,
        ),
        Step("leave", leave, deadline_s=60, otherwise=leave_otherwise, left=offloading.leave_left),
        volumes.LET_GO,
    ),
    forward_only=True,
)
