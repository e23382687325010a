"""Rebuild a server where it is, from an image: same id, flavor, host and addresses.

    prepare   a new generation is promised
    spawn     the guest of that generation replaces the old one, held; with this commit it is the
              server's and may execute

The request has already written what the rebuilt server is (image, metadata, key, user data).
Input: state {"sealed_secrets": its new password and injected files}, optional.
A stopped server stays stopped. A failure leaves it in error: the old disk may be gone.
"""

from __future__ import annotations

from common.db.stores.commit import NOW, UNKNOWN
from common.domain.states import TaskState, VmState
from common.errors import Conflict, MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import placing

CONDUCTOR_EVENT = "rebuild_server"
EVENT = "compute_rebuild_instance"


async def prepare(context: Context) -> None:
    server = context.server
    if server.host is None:
        raise Conflict(f"Instance {server.uuid} is not ready")
    generation = server.last_generation + 1
    context.state["generation"] = generation
    context.event(CONDUCTOR_EVENT, None, context.deps.clock.monotonic())
    context.event_start(EVENT, server.host)
    context.change_server(last_generation=generation, task_state=TaskState.REBUILD_SPAWNING)


async def spawn(context: Context) -> None:
    server, generation = context.server, context.state["generation"]
    assert server.host is not None, "prepare has checked it"
    stopped = server.vm_state == VmState.STOPPED
    reply = await placing.make_guest(
        context, host=server.host, generation=generation, power_on=not stopped
    )
    context.event_finish(EVENT)
    context.let_execute(server.host, generation)
    context.change_server(
        generation=generation,
        vm_state=VmState.STOPPED if stopped else VmState.ACTIVE,
        task_state=None,
        power_state=reply.power_state,
        launched_at=NOW,
        fault=None,
        guest_password=UNKNOWN,  # the one reported was of the disk that is gone
    )


async def spawn_undo(context: Context) -> None:
    """Whichever guest the host has now is the server's: there is no way back to the old disk. A
    host that cannot be asked is believed when it reports."""
    server = context.server
    assert server.host is not None, "prepare has checked it"
    generation = await placing.generation_on(context, server.host, otherwise=server.generation)
    context.change_server(generation=generation)


def failed(context: Context) -> None:
    error = context.error or MusterError()
    if "generation" in context.state:
        context.event_finish(EVENT, error)
    context.change_server(vm_state=VmState.ERROR, task_state=None, fault=context.fault(error))


REBUILD = Definition(
    "rebuild",
    (
        Step("prepare", prepare, deadline_s=30),
        Step("spawn", spawn, spawn_undo, deadline_s=120),
    ),
    failed=failed,
)
