"""Fourth stage: the plan becomes servers in BUILD.

Owns: the transaction, and what the answer says. May not: refuse anything but what the quota
refuses under its lock.
Crash story: servers, actions and workflows exist together or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from common.db.stores import servers as store
from common.db.stores.servers import NewServer
from services.api.request import Request
from services.api.servers import names, reserving
from services.api.servers.creating.asked import Asked
from services.api.servers.creating.planned import MOST_AT_ONCE, Plan
from services.api.servers.creating.waking import place_and_wake
from services.api.servers.sealing import sealed_secrets, sealed_token


@dataclass(frozen=True)
class Created:
    """What the answer says; `uuid` is the first server of several."""

    uuid: UUID
    reservation_id: str
    reservation_only: bool
    admin_password: str
    security_groups: tuple[str, ...]
    auto_disk_config: bool


async def write(request: Request, plan: Plan) -> Created:
    """Raises `OverQuota` when fewer servers fit than there must be."""
    app, asked = request.app, plan.asked
    ids = [app.ids.uuid() for _ in range(min(asked.most, MOST_AT_ONCE))]
    columns = {**plan.columns, "reservation_id": names.reservation_id(app.ids.uuid())}
    password = asked.admin_password or names.password()
    makes_volumes = any(disk.is_made_here for disk in plan.disks)
    async with reserving.reserved(request, ids[0], list(plan.volumes.values())) as attachments:
        workflow_ids = await store.servers_create(
            app.pool,
            _named(asked, ids),
            wanted=asked.most,
            at_least=asked.least,
            common=columns,
            workflow_state={
                **plan.workflow_state,
                **(sealed_token(request) if makes_volumes else {}),
                **sealed_secrets(request, password, asked.files),
            },
            request_id=request.ctx.request_id,
            limits=plan.limits,
            deadline_s=app.settings.conductor.workflow_deadline_s,
            reserve_s=app.settings.conductor.reserve_s,
            devices=[
                replace(disk, attachment_id=attachments.get(disk.volume_id or ""))
                for disk in plan.disks
            ],
        )
    place_and_wake(request, columns, plan.disks, plan.destination, workflow_ids)
    return Created(
        uuid=ids[0],
        reservation_id=columns["reservation_id"],
        reservation_only=asked.reservation_only,
        admin_password=password,
        security_groups=asked.group_names,
        auto_disk_config=columns["auto_disk_config"],
    )


def _named(asked: Asked, ids: list[UUID]) -> list[NewServer]:
    """One server has the name as given, several are numbered from 1."""
    each = [asked.name] if len(ids) == 1 else [f"{asked.name}-{n + 1}" for n in range(len(ids))]
    return [
        NewServer(uuid, own, asked.hostname or names.hostname(own, uuid))
        for uuid, own in zip(ids, each, strict=True)
    ]
