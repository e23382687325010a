"""Shelve a server: its disk becomes an image; then its place is given up, at once or later.

    image      a record for the image, unless the disk is a volume   undo: remove it
    snapshot   switched off, disk uploaded; shelved from this commit on   undo: switch it on again
    vacate     when `conductor.shelved_offload_time_s` is 0: the guest goes,
    leave      claim and bindings are given up, volumes are reserved without a host,
    let_volumes_go   and the attachments of the host are deleted

With a positive time a periodic task offloads later, with -1 nobody does. A server whose root disk
is a volume needs no image, and leaves its host at once whatever the time is.
"""

from __future__ import annotations

from uuid import uuid5

from common.db.stores.commit import Leftover
from common.domain.states import PowerState, TaskState, VmState
from common.errors import MusterError, NotFound
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import imaging, offloading, volumes

EVENT = "compute_shelve_instance"


def _image_id(context: Context) -> str:
    """It follows from the workflow, so that a repeated step finds the image it has made, and so
    does the undo of one that died before it could write it down."""
    return str(uuid5(context.server.uuid, f"shelved by workflow {context.workflow.id}"))


async def image(context: Context) -> None:
    server, state = context.server, context.state
    if server.is_volume_backed:
        await imaging.begin(context, EVENT, TaskState.SHELVING_OFFLOADING)
        return
    await imaging.begin(context, EVENT, TaskState.SHELVING_IMAGE_UPLOADING)
    state["image_id"] = _image_id(context)
    try:
        await context.deps.image.get(state["image_id"])
    except NotFound:
        await context.deps.image.create(
            id=state["image_id"],
            name=f"{server.name}-shelved",
            owner=server.project_id,
            visibility="private",
            container_format="bare",
            disk_format="qcow2",
            properties={
                **{k: str(v) for k, v in server.image_properties.items()},
                "image_type": "snapshot",
                "instance_uuid": str(server.uuid),
                "user_id": server.user_id,
                "base_image_ref": server.image_ref or "",
            },
        )


async def image_undo(context: Context) -> None:
    await imaging.remove(context, _image_id(context))


def image_left(context: Context) -> list[Leftover]:
    return imaging.image_left(_image_id(context))


async def snapshot(context: Context) -> None:
    server, state = context.server, context.state
    assert server.host is not None, "the first step has checked it"
    await context.command("power_off", host=server.host, generation=server.generation)
    kept = {
        "shelved_at": context.deps.clock.utcnow().isoformat(),
        "shelved_host": server.host,
    }
    state["offload"] = context.deps.settings.conductor.shelved_offload_time_s == 0
    if server.is_volume_backed:
        state["offload"] = True
    else:
        await imaging.upload(context, state["image_id"])
        kept["shelved_image_id"] = state["image_id"]
        context.change_server(vm_state=VmState.SHELVED)
    context.change_server(
        task_state=TaskState.SHELVING_OFFLOADING,
        power_state=PowerState.SHUTDOWN,
        system_metadata={**server.system_metadata, **kept},
    )


async def snapshot_undo(context: Context) -> None:
    server = context.server
    if server.vm_state == VmState.STOPPED or server.host is None:
        return
    await context.command("power_on", host=server.host, generation=server.generation)
    context.change_server(vm_state=VmState.ACTIVE)


async def vacate(context: Context) -> None:
    if context.state["offload"]:
        await offloading.vacate(context)


def vacate_left(context: Context) -> list[Leftover]:
    return offloading.vacate_left(context) if context.state["offload"] else []


async def leave(context: Context) -> None:
    context.event_finish(EVENT)
    if context.state["offload"]:
        await offloading.leave(context)
    else:
        context.change_server(task_state=None)


def leave_otherwise(context: Context) -> None:
    context.event_finish(EVENT, context.error)
    if context.state["offload"]:
        offloading.offloaded(context)
    else:
        context.change_server(task_state=None)


def leave_left(context: Context) -> list[Leftover]:
    return offloading.leave_left(context) if context.state["offload"] else []


def failed(context: Context) -> None:
    context.event_finish(EVENT, context.error or MusterError())
    context.change_server(task_state=None)


SHELVE = Definition(
    "shelve",
    (
        Step("image", image, image_undo, deadline_s=60, left=image_left),
        Step("snapshot", snapshot, snapshot_undo, deadline_s=300, pivot=True),
        Step("vacate", vacate, deadline_s=60, durable=False, left=vacate_left),
        Step("leave", leave, deadline_s=60, otherwise=leave_otherwise, left=leave_left),
        volumes.LET_GO,
    ),
    failed=failed,
)
