"""Rebuild a server where it is, from an image: same id, flavor, host and addresses.

    prepare   a new generation is promised
    free      when the root disk is a volume: the guest is switched off, and the volume reserved
              without a host                       undo: have it connected
    reimage   the image is written over it, and the host connected again
    spawn     the guest of that generation replaces the old one, held; with this commit it is the
              server's and may execute

The request has already written what the rebuilt server is (image, metadata, key, user data).
A stopped server stays stopped. A failure leaves it in error: the old disk may be gone.
Input: state {"reimage": image for the root volume, "sealed_secrets": its new password and injected
files}, both optional.
"""

from __future__ import annotations

from contextlib import suppress

from common.db.stores.commit import NOW, UNKNOWN
from common.domain import block_devices
from common.domain.block_devices import BlockDevice
from common.domain.states import TaskState, VmState
from common.errors import Conflict, MusterError, NotFound
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import making_volumes, placing, volumes

CONDUCTOR_EVENT = "rebuild_server"
EVENT = "compute_rebuild_instance"
REIMAGED_WITHIN_S = 240.0
"""Large images take their time."""


async def prepare(context: Context) -> None:
    server = context.server
    if server.host is None:
        raise Conflict(f"Instance {server.uuid} is not ready")
    generation = server.last_generation + 1
    context.state["generation"] = generation
    context.event(CONDUCTOR_EVENT, None, context.deps.clock.monotonic())
    context.event_start(EVENT, server.host)
    context.change_server(last_generation=generation, task_state=TaskState.REBUILD_SPAWNING)


def _needs_reimage(context: Context) -> bool:
    return bool(context.state.get("reimage"))


def _root(context: Context) -> BlockDevice:
    found = block_devices.root(context.server.block_devices)
    if found is None or found.volume_id is None:
        raise Conflict(f"Instance {context.server.uuid} has no root volume")
    return found


async def free(context: Context) -> None:
    server = context.server
    assert server.host is not None, "prepare has checked it"
    with suppress(NotFound):  # a failed rebuild has left none
        await context.command(
            "power_off", host=server.host, generation=server.generation, timeout_s=0.0
        )
    await volumes.reserve_anew(context, [_root(context)])


async def free_undo(context: Context) -> None:
    server = context.server
    await volumes.let_go(context)
    if server.host is not None:
        root = await volumes.mend(context, _root(context), server.host)
        with suppress(NotFound):  # if there is a guest, it knows of an attachment that is gone
            await volumes.give(context, root, server.host)


async def reimage(context: Context) -> None:
    server, root = context.server, _root(context)
    assert server.host is not None, "prepare has checked it"
    assert root.volume_id is not None, "_root has checked it"
    attachment_id, volume = root.attachment_id, context.deps.volume
    assert attachment_id is not None, "it is reserved"
    await volumes.let_go(context)
    if (await volume.attachment(attachment_id)).status == "reserved":  # not connected yet
        if not await making_volumes.is_under_way(context, root.volume_id):  # else it is repeated
            await volume.reimage(root.volume_id, context.state["reimage"], reserved=True)
        await making_volumes.wait(context, root.volume_id)
    how = await volumes.connector(context, server.host)
    await volumes.connect(context, root, attachment_id, how)
    await volume.attachment_complete(attachment_id)


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
        Step("free", free, free_undo, deadline_s=60, needed=_needs_reimage, left=volumes.left),
        Step("reimage", reimage, deadline_s=REIMAGED_WITHIN_S, needed=_needs_reimage),
        Step("spawn", spawn, spawn_undo, deadline_s=120),
    ),
    failed=failed,
)
