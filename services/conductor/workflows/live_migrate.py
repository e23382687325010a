"""Migrate a running server live: it keeps running while its memory is copied.

    schedule   claim a destination                undo: give the claim back
    prepare    reserve the guest there            undo: destroy it
    copy       the source copies the memory, then stops the guest; the destination lets it go on.
               From this commit on the server is the new guest.   undo: it goes on at the source
    network    bind the ports to the destination
    clean      the source destroys what is left; the claim becomes the server's

Progress is read from the source and written to the migration row; an abort or a forced completion
is asked for in that row and passed on to the source. Input: state {"host": target or null, "force",
"migration_uuid"}.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from common.db.stores import claims
from common.db.stores import migrations as store
from common.domain.states import PowerState, VmState
from common.errors import MusterError, NotFound
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import moving, placing, ports

CONDUCTOR_EVENT = "conductor_live_migrate_instance"
CHECK_EVENTS = (
    "compute_check_can_live_migrate_source",
    "compute_check_can_live_migrate_destination",
)
PREPARE_EVENT = "compute_pre_live_migration"
COPY_EVENT = "compute_live_migration"
FINISH_EVENT = "compute_post_live_migration_at_destination"
ROLLBACK_EVENT = "compute_rollback_live_migration_at_destination"

POLL_S = 0.5


async def schedule(context: Context) -> None:
    started = context.deps.clock.monotonic()
    await moving.choose_destination(context)
    context.event(CONDUCTOR_EVENT, None, started)
    moving.migration(context, status="preparing")


async def prepare(context: Context) -> None:
    started, state = context.deps.clock.monotonic(), context.state
    await moving.prepare(context)
    for event in CHECK_EVENTS:
        context.event(event, state["dest"], started)
    context.event(PREPARE_EVENT, state["dest"], started)
    context.event_start(COPY_EVENT, state["source"])
    moving.migration(context, status="running")


async def copy(context: Context) -> None:
    state, server = context.state, context.server
    watching = asyncio.ensure_future(_watch(context))
    try:
        await context.command(
            "live_migrate", host=state["source"], generation=state["source_generation"]
        )
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    started = context.deps.clock.monotonic()
    paused = server.vm_state == VmState.PAUSED
    reply = await context.command(
        "finish_migration",
        host=state["dest"],
        generation=state["generation"],
        spec=placing.guest_spec(server, state["generation"], power_on=True),
        power_state=int(PowerState.PAUSED if paused else PowerState.RUNNING),
    )
    context.event_finish(COPY_EVENT)
    context.event(FINISH_EVENT, state["dest"], started)
    context.change_server(
        host=state["dest"],
        node=state["node"],
        generation=state["generation"],
        power_state=reply.power_state,
        progress=0,
    )


async def _watch(context: Context) -> None:
    """Write down how far the copy is; pass on what is asked for in the migration row."""
    state, deps = context.state, context.deps
    uuid = UUID(state["migration_uuid"])
    passed_on: set[str] = set()
    while True:
        try:
            reply = await context.command(
                "live_migration_progress",
                host=state["source"],
                generation=state["source_generation"],
            )
            wanted = await store.progress_record(deps.pool, uuid, reply.result)
            for verb in sorted(wanted - passed_on):
                await context.command(
                    f"live_migration_{verb}",
                    host=state["source"],
                    generation=state["source_generation"],
                )
                passed_on.add(verb)
        except NotFound:
            pass  # it has not begun yet, or is over
        await deps.clock.sleep(POLL_S)


async def copy_undo(context: Context) -> None:
    await moving.return_to_source(context, power_on=True)


async def network(context: Context) -> None:
    await ports.rebind(context, context.state["dest"])


async def clean(context: Context) -> None:
    state = context.state
    await placing.destroy_guest(
        context, host=state["source"], generation=state["source_generation"]
    )
    await claims.promote(context.deps.pool, context.server.uuid, state["dest"])
    context.change_server(task_state=None)
    moving.migration(context, status="completed")


async def failed(context: Context) -> None:
    """The server goes on where it was, in the state it was in."""
    error = context.error or MusterError()
    context.change_server(task_state=None, progress=0)
    if moving.has_moved(context):
        await claims.promote(context.deps.pool, context.server.uuid, context.state["dest"])
        moving.migration(context, status="completed")
        context.recheck(context.state["source"])  # it destroys what it still has
        return
    if "dest" in context.state:
        context.event_finish(COPY_EVENT, error)
        now = context.deps.clock.monotonic()
        context.event(ROLLBACK_EVENT, context.state["dest"], now, error)
    else:
        context.event(CONDUCTOR_EVENT, None, context.deps.clock.monotonic(), error)
    aborted = error.code == "migration_aborted"
    moving.migration(context, status="cancelled" if aborted else "error")


LIVE_MIGRATE = Definition(
    "live_migrate",
    (
        Step("schedule", schedule, moving.choose_destination_undo, deadline_s=60),
        Step("prepare", prepare, moving.prepare_undo, deadline_s=60),
        Step("copy", copy, copy_undo, deadline_s=400),
        Step("network", network, deadline_s=60),
        Step("clean", clean, deadline_s=120),
    ),
    failed=failed,
    reroute=moving.another_destination,
)
