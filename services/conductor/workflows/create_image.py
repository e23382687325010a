"""Make an image of a server; its vm_state does not change.

    begin    say so                        undo: remove the image
    upload   the host uploads the disk

Input: state {"image_id": a queued image}.
"""

from __future__ import annotations

from common.domain.states import TaskState
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import imaging

EVENT = "compute_snapshot_instance"


async def begin(context: Context) -> None:
    await imaging.begin(context, EVENT, TaskState.IMAGE_UPLOADING)


async def begin_undo(context: Context) -> None:
    await imaging.remove(context, context.state.get("image_id"))


async def upload(context: Context) -> None:
    await imaging.upload(context, context.state["image_id"])
    context.event_finish(EVENT)
    context.change_server(task_state=None)


def failed(context: Context) -> None:
    imaging.failed(context, EVENT)


CREATE_IMAGE = Definition(
    "create_image",
    (
        Step("begin", begin, begin_undo, deadline_s=30, left=imaging.left),
        Step("upload", upload, deadline_s=300),
    ),
    failed=failed,
)
