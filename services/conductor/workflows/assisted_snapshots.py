"""Snapshots of volumes that only the host of the running guest can make or delete: the common shape
of both workflows.

    host      the host does it                undo: the volume service hears that it failed
    report    the volume service hears that the host is done, and finishes by itself

The volume service has asked and waits; what it hears twice, or no more wants to hear, changes
nothing there. The server's states do not change.

Input: state {"volume_id", "snapshot_id", "params": further arguments of the verb}.
"""

from __future__ import annotations

import structlog

from common.errors import Conflict, InvalidInput, MusterError, NotFound
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step

log = structlog.get_logger(__name__)

HOST_IS_DONE = "90%"
"""The progress from which the volume service goes on."""


def assisted(kind: str, *, going: str, broken: str) -> Definition:
    """A workflow whose kind is the host's verb. `going` and `broken` are the snapshot's statuses
    while it is being done and when it could not be."""
    event = f"compute_{kind}"

    async def do(context: Context) -> None:
        started, server, state = context.deps.clock.monotonic(), context.server, context.state
        if server.host is None:
            raise Conflict(f"Instance {server.uuid} is not ready")
        await context.command(
            kind,
            host=server.host,
            generation=server.generation,
            volume_id=state["volume_id"],
            snapshot_id=state["snapshot_id"],
            **state["params"],
        )
        context.event(event, server.host, started)

    async def undo(context: Context) -> None:
        await _tell(context, broken)

    async def report(context: Context) -> None:
        await _tell(context, going)

    def failed(context: Context) -> None:
        context.event(event, context.server.host, error=context.error or MusterError())

    return Definition(
        kind,
        (Step("host", do, undo, deadline_s=120, pivot=True), Step("report", report)),
        failed=failed,
    )


async def _tell(context: Context, status: str) -> None:
    snapshot_id = context.state["snapshot_id"]
    try:
        await context.deps.volume.update_snapshot_status(snapshot_id, status, HOST_IS_DONE)
    except (NotFound, InvalidInput) as error:
        # It has given up waiting, or has heard this before.
        log.info("snapshot_report_refused", snapshot=snapshot_id, status=status, error=str(error))
