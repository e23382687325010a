"""Give up the place of a shelved server: shelved/shelving_offloading -> shelved_offloaded."""

from __future__ import annotations

from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import offloading

EVENT = "compute_shelve_offload_instance"


async def offload(context: Context) -> None:
    started, host = context.deps.clock.monotonic(), context.server.host
    await offloading.offload(context)
    context.event(EVENT, host, started)


async def failed(context: Context) -> None:
    error = context.error or MusterError()
    context.event(EVENT, context.server.host, context.deps.clock.monotonic(), error)
    await offloading.settle(context)


SHELVE_OFFLOAD = Definition(
    "shelve_offload", (Step("offload", offload, deadline_s=120),), failed=failed
)
