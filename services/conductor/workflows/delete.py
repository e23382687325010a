"""Delete a server: the guest, its ports, its claims, its row.

    destroy_guest   the guest is gone, or its host is down and will be told when it returns
    release         ports and shelved image deleted, claims given back, the server is deleted

Nothing is undone: what is gone is gone. A step that keeps failing until its deadline leaves the
server in ERROR with the reason, and another delete may be asked for.
"""

from __future__ import annotations

from common.db.stores import claims, migrations
from common.db.stores.commit import NOW
from common.domain.states import VmState
from common.errors import MusterError
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import imaging, placing, ports

EVENT = "compute_terminate_instance"


async def destroy_guest(context: Context) -> None:
    server = context.server
    context.event_start(EVENT, server.host)
    if server.host is not None:
        await placing.destroy_guest(context, host=server.host, generation=server.generation)
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
    await imaging.remove(context, context.server.system_metadata.get("shelved_image_id"))
    await claims.release(context.deps.pool, context.server.uuid)
    context.event_finish(EVENT)
    context.change_server(
        vm_state=VmState.DELETED,
        task_state=None,
        power_state=0,
        terminated_at=NOW,
        deleted_at=NOW,
    )


async def failed(context: Context) -> None:
    error = context.error or MusterError()
    context.event_finish(EVENT, error)
    context.change_server(vm_state=VmState.ERROR, task_state=None, fault=context.fault(error))


DELETE = Definition(
    "delete",
    (
        Step("destroy_guest", destroy_guest, deadline_s=120),
        Step("release", release, deadline_s=120),
    ),
    failed=failed,
    overtakable=False,
)
