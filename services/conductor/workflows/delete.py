"""Delete a server: the guest, its ports, volumes and image, its claims, its row.

    destroy_guest   the guest is gone, or its host is down and will be told when it returns
    release         ports and shelved image deleted, volumes detached, and deleted where that was
                    asked for; with this commit the server is, and its claims are given back

Nothing is undone: what is gone is gone. A host that answers that it cannot destroy the guest leaves
the server in ERROR with the reason, and another delete may be asked for. What a neighbour will not
delete now is left to the reconciler.
"""

from __future__ import annotations

from common.db.stores import migrations
from common.db.stores.commit import NOW, Leftover
from common.domain.states import VmState
from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import imaging, making_volumes, placing, ports

EVENT = "compute_terminate_instance"


async def destroy_guest(context: Context) -> None:
    server = context.server
    context.event_start(EVENT, server.host)
    if server.host is not None:
        await placing.destroy_guest(context, host=server.host, generation=server.last_generation)
    for left in await migrations.unsettled(context.deps.pool, server.uuid):
        if left.source != server.host:
            await placing.destroy_guest(
                context, host=left.source, generation=left.source_generation
            )
        # At most one resize waits for its confirmation; the delete confirms it.
        context.changes.migration_uuid = left.uuid
        context.changes.migration = {"status": "confirmed"}


async def release(context: Context) -> None:
    await ports.unplug(context)
    await imaging.remove(context, _image(context))
    await making_volumes.end(context)
    context.event_finish(EVENT)
    gone(context)


def gone(context: Context) -> None:
    context.release_claims()
    for device in context.server.block_devices:
        context.remove_device(device)
    context.change_server(
        vm_state=VmState.DELETED,
        task_state=None,
        power_state=0,
        terminated_at=NOW,
        deleted_at=NOW,
    )


def release_otherwise(context: Context) -> None:
    context.event_finish(EVENT, context.error)
    gone(context)


def release_left(context: Context) -> list[Leftover]:
    return [
        *ports.left(context),
        *imaging.image_left(_image(context)),
        *making_volumes.end_left(context),
    ]


def _image(context: Context) -> str | None:
    image_id: str | None = context.server.system_metadata.get("shelved_image_id")
    return image_id


def failed(context: Context) -> None:
    error = context.error or MusterError()
    context.event(EVENT, context.server.host, error=error)
    context.change_server(vm_state=VmState.ERROR, task_state=None, fault=context.fault(error))


DELETE = Definition(
    "delete",
    (
        Step("destroy_guest", destroy_guest, deadline_s=120, pivot=True, durable=False),
        Step("release", release, deadline_s=60, otherwise=release_otherwise, left=release_left),
    ),
    failed=failed,
    overtakable=False,
)
