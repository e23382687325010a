"""The wake-up of a build goes through a scheduler and brings its proposal along.

Owns: the question about a new server, which the first step of its build would ask.
May not: wait for the answer, or rely on it: a build that was woken otherwise asks itself.
Crash story: a lost question costs a conductor's sweep, as every lost wake-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from common.bus.topology import SCHEDULER
from common.domain.block_devices import BlockDevice, is_volume_backed
from common.domain.requested import requested
from common.domain.server import disk_gib
from common.messages.scheduler import SelectHost
from services.api.actions import publish_wake_up
from services.api.request import Request
from services.api.servers.creating.planned import Destination


def place_and_wake(
    request: Request,
    columns: Mapping[str, Any],
    disks: Sequence[BlockDevice],
    destination: Destination,
    workflow_ids: Mapping[UUID, int],
) -> None:
    """For each new server with these columns; the answer of the request does not wait for it."""
    app, request_id = request.app, request.ctx.request_id
    root_gib = 0 if is_volume_backed(disks) else columns["root_gib"]
    wanted = requested(
        columns["flavor"].get("extra_specs", {}),
        columns["image_properties"],
        vcpus=columns["vcpus"],
        memory_mib=columns["memory_mib"],
        disk_gib=disk_gib(root_gib, columns["ephemeral_gib"], columns["swap_mib"]),
    )
    for uuid, workflow_id in workflow_ids.items():
        question = SelectHost(
            request_id=request_id,
            workflow_id=workflow_id,
            server_uuid=str(uuid),
            project_id=columns["project_id"],
            vcpus=wanted.vcpus,
            memory_mib=wanted.memory_mib,
            disk_gib=wanted.disk_gib,
            flavor=columns["flavor"],
            image_id=columns["image_ref"],
            image_properties=columns["image_properties"],
            availability_zone=destination.zone,
            force_host=destination.force_host,
            requested_host=destination.requested_host,
            scheduler_hints=columns["scheduler_hints"],
            server_group=columns["server_group"],
            wakes=True,
        )
        app.tasks.spawn("wake-conductor", publish_wake_up(app, SCHEDULER, question))
