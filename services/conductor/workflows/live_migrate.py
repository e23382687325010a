"""Migrate a running server live: it keeps running while its memory is copied.

    schedule   claim a destination                undo: give the claim back
    volumes    a second attachment of each        undo: delete them
    prepare    reserve the guest there            undo: destroy it
    copy       the source copies the memory, then stops the guest; the destination lets it go on.
               With this commit the server is the new guest, and so is the claim.
               undo: it goes on at the source, once the destination has answered that it does not
               run it, or is fenced
    network    bind the ports to the destination
    clean      the source destroys what is left
    let_volumes_go   the source's attachments are deleted

This is the one move in which a guest executes before the database has made it the server's: the
destination must take over at once. So its silence is waited out before the source goes on.
Progress is read from the source and written to the migration row; an abort or a forced completion
is asked for in that row and passed on to the source. Input: state {"host": target or null, "force",
"migration_uuid", "checked_first"}; the last says that the request has waited for the checks, as
those below 2.34 do, which is recorded under another name.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

import structlog

from common.db.pool import OUT_OF_REACH
from common.db.stores import migrations as store
from common.db.stores.commit import Leftover
from common.domain.states import PowerState, VmState
from common.errors import MusterError, NotFound
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import moving, placing, ports, provisioning, volumes

log = structlog.get_logger(__name__)

CONDUCTOR_EVENT = "conductor_live_migrate_instance"
CHECKED_EVENT = "conductor_migrate_server"
CHECK_EVENTS = (
    "compute_check_can_live_migrate_source",
    "compute_check_can_live_migrate_destination",
)
PREPARE_EVENT = "compute_pre_live_migration"
COPY_EVENT = "compute_live_migration"
FINISH_EVENT = "compute_post_live_migration_at_destination"
ROLLBACK_EVENT = "compute_rollback_live_migration_at_destination"

POLL_S = 0.5


def _conductor_event(context: Context) -> str:
    return CHECKED_EVENT if context.state.get("checked_first") else CONDUCTOR_EVENT


async def schedule(context: Context) -> None:
    started = context.deps.clock.monotonic()
    await moving.choose_destination(context)
    context.event(_conductor_event(context), None, started)
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
    # What an earlier attempt has told the destination is not known.
    state["handed_over"] = context.resumed
    # Gathered before anything has happened: nobody who is asked may hold up the hand-over.
    disks = await volumes.for_destination(context)
    spec = placing.guest_spec(server, state["generation"], power_on=True, disks=disks)
    spec = await provisioning.with_facts(context, state["dest"], server, spec)
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
    state["handed_over"] = True
    reply = await context.command(
        "finish_migration",
        host=state["dest"],
        generation=state["generation"],
        spec=spec,
        power_state=int(PowerState.PAUSED if paused else PowerState.RUNNING),
        held=False,
    )
    context.event_finish(COPY_EVENT)
    context.event(FINISH_EVENT, state["dest"], started)
    context.changes.promote = state["dest"]
    volumes.adopt(context)
    context.change_server(
        host=state["dest"],
        node=state["node"],
        generation=state["generation"],
        power_state=reply.power_state,
        progress=0,
    )


async def _watch(context: Context) -> None:
    """Write down how far the copy is; pass on what is asked for in the migration row. Whatever goes
    wrong with that is tried again at the next look."""
    state, deps = context.state, context.deps
    uuid = UUID(state["migration_uuid"])
    while True:
        try:
            reply = await context.command(
                "live_migration_progress",
                host=state["source"],
                generation=state["source_generation"],
            )
            wanted = await store.progress_record(deps.pool, uuid, reply.result)
            for verb in sorted(wanted):  # again each time: the source may have begun anew
                await context.command(
                    f"live_migration_{verb}",
                    host=state["source"],
                    generation=state["source_generation"],
                )
        except NotFound:
            pass  # it has not begun yet, or is over
        except (MusterError, *OUT_OF_REACH) as error:
            log.warning("migration_not_watched", migration=str(uuid), error=repr(error))
        await deps.clock.sleep(POLL_S)


def _handed_over(context: Context) -> bool:
    """Whether the destination may have been told to let the guest go on. A run that died in the
    copy has left no word, and an overtaken one is not begun again: then it may."""
    return bool(context.state.get("handed_over", True))


async def copy_undo(context: Context) -> None:
    state = context.state
    if _handed_over(context):
        await placing.end_guest(context, host=state["dest"], generation=state["generation"])
    with suppress(MusterError):  # it may be copying still, and would do nothing else till then
        await context.command(
            "live_migration_abort", host=state["source"], generation=state["source_generation"]
        )
    await moving.return_to_source(context, power_on=True)


def copy_left(context: Context) -> list[Leftover]:
    state = context.state
    return placing.guest_left(state["dest"], state["generation"], may_run=_handed_over(context))


async def network(context: Context) -> None:
    await ports.rebind(context, context.state["dest"])


async def clean(context: Context) -> None:
    state = context.state
    await placing.destroy_guest(
        context, host=state["source"], generation=state["source_generation"]
    )
    _completed(context)


def _completed(context: Context) -> None:
    context.change_server(task_state=None)
    moving.migration(context, status="completed")


def clean_otherwise(context: Context) -> None:
    _completed(context)
    context.recheck(context.state["source"])  # it destroys what it still has


def clean_left(context: Context) -> list[Leftover]:
    return placing.guest_left(context.state["source"], context.state["source_generation"])


def failed(context: Context) -> None:
    """The server goes on where it was, in the state it was in; unless the destination fell silent
    in the hand-over: then nobody knows where it runs, and it is in error for somebody to look."""
    error = context.error or MusterError()
    context.change_server(task_state=None, progress=0)
    if "dest" in context.state:
        context.event_finish(COPY_EVENT, error)
        context.event(ROLLBACK_EVENT, context.state["dest"], error=error)
    else:
        context.event(_conductor_event(context), None, error=error)
    aborted = error.code == "migration_aborted"
    moving.migration(context, status="cancelled" if aborted else "error")
    in_doubt = context.failed_step == "copy" and _handed_over(context)
    if in_doubt and context.state.get("undo_given_up"):
        context.change_server(vm_state=VmState.ERROR, fault=context.fault(error))


LIVE_MIGRATE = Definition(
    "live_migrate",
    (
        Step("schedule", schedule, moving.choose_destination_undo, deadline_s=60),
        moving.CONNECT,
        Step(
            "prepare",
            prepare,
            moving.destroy_at_destination,
            deadline_s=60,
            left=moving.left_at_destination,
        ),
        Step(
            "copy",
            copy,
            copy_undo,
            deadline_s=400,
            undo_deadline_s=400,
            pivot=True,
            left=copy_left,
        ),
        Step("network", network, deadline_s=60, durable=False, left=ports.left),
        Step("clean", clean, deadline_s=120, otherwise=clean_otherwise, left=clean_left),
        volumes.LET_GO,
    ),
    failed=failed,
    reroute=moving.another_destination,
)
