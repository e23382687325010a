"""What a run may leave behind when it cannot clean up.

Owns: the reasons written with it, and the record of a run whose lease was lost.
May not: know what is left; the steps say so (`Step.left`). Crash story: a run that dies before it
has written this down has done nothing since its last commit that its successor does not find.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import structlog

from common.db.stores import leftovers
from common.db.stores.commit import Leftover
from common.errors import reason
from services.conductor.engine.context import Context

log = structlog.get_logger(__name__)


def with_reason(found: Sequence[Leftover], error: Exception) -> list[Leftover]:
    return [dataclasses.replace(each, reason=each.reason or reason(error)) for each in found]


async def confess(context: Context, left: Sequence[Leftover]) -> None:
    """Steps were done, and somebody else does them as well by now. An image is that one's: its id
    is the same for both."""
    workflow = context.workflow
    found = with_reason(
        [each for each in left if each.kind != "image"],
        RuntimeError("its conductor had lost the lease"),
    )
    try:
        await leftovers.add(context.deps.pool, workflow.server_uuid, workflow.request_id, found)
    except Exception as error:
        log.error(
            "leftovers_not_written",
            found=found,
            error=repr(error),
            kind=workflow.kind,
            server=str(workflow.server_uuid),
        )
