"""Make a backup of a server and keep only the newest ones of its type.

    begin    say so                        undo: remove the image
    upload   the host uploads the disk; from this commit on the backup is there
    rotate   older backups of this type are removed

Input: state {"image_id": a queued image, "backup_type", "rotation"}.
"""

from __future__ import annotations

from common.domain.states import TaskState
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Definition, Step
from services.conductor.workflows import imaging

EVENT = "compute_backup_instance"


async def begin(context: Context) -> None:
    await imaging.begin(context, EVENT, TaskState.IMAGE_UPLOADING)


async def begin_undo(context: Context) -> None:
    await imaging.remove(context, context.state.get("image_id"))


async def upload(context: Context) -> None:
    await imaging.upload(context, context.state["image_id"])


async def rotate(context: Context) -> None:
    state, image = context.state, context.deps.image
    backups = await image.list(
        filters={
            "instance_uuid": str(context.server.uuid),
            "image_type": "backup",
            "backup_type": state["backup_type"],
        }
    )
    backups.sort(key=lambda found: (found.created_at, found.id == state["image_id"]), reverse=True)
    for old in backups[state["rotation"] :]:
        await image.delete(old.id)
    context.event_finish(EVENT)
    context.change_server(task_state=None)


def rotate_otherwise(context: Context) -> None:
    context.event_finish(EVENT, context.error)
    context.change_server(task_state=None)


def failed(context: Context) -> None:
    imaging.failed(context, EVENT)


CREATE_BACKUP = Definition(
    "create_backup",
    (
        Step("begin", begin, begin_undo, deadline_s=30, left=imaging.left),
        Step("upload", upload, deadline_s=300, pivot=True),
        Step("rotate", rotate, deadline_s=60, otherwise=rotate_otherwise),
    ),
    failed=failed,
)
