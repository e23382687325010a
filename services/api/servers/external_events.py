"""What other services say has happened to servers, one row for each kind.

Owns: the table of kinds: since when, what its tag must be, and what is done. An event says that
something has changed; nothing is believed that can be looked at.
May not: wait for what it begins. Crash story: an event that is lost is made good by whoever looks
by himself: the rounds of all servers, builds that wait, hosts that report.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from common.db.stores import server_actions, servers
from common.db.stores.addresses import Place
from common.domain.actions import EXTEND_VOLUME, START, STOP, Action
from common.domain.block_devices import of_volume
from common.domain.states import VmState
from common.messages.network import VIF_PLUGGED_TOPIC, VifPlugged
from services.api import versions
from services.api.actions import requester, wake
from services.api.request import Request
from services.api.servers.port_changes import ports_changed

COMPLETED, FAILED = "completed", "failed"


@dataclass(frozen=True)
class Event:
    """One that was accepted, with the server as it is."""

    place: Place
    tag: str | None
    status: str


Act = Callable[[Request, Sequence[Event]], Awaitable[None]]


async def _nobody_waits(_request: Request, _events: Sequence[Event]) -> None:
    """Nothing here waits for it, and nothing that is shown depends on it."""


@dataclass(frozen=True)
class Kind:
    act: Act
    """Gets all events of the kind in one request."""
    since: int = versions.MIN
    tag_ok: Callable[[str | None], bool] = lambda _: True
    """Others are answered 400."""


async def _look_at_ports(request: Request, events: Sequence[Event]) -> None:
    await ports_changed(request, list(dict.fromkeys(event.place.uuid for event in events)))


async def _tell_builds(request: Request, events: Sequence[Event]) -> None:
    """Only a server to which something is being done can have anybody who waits."""
    for event in events:
        if event.tag is not None and event.place.task_state is not None:
            message = VifPlugged(
                request_id=request.ctx.request_id,
                server_uuid=str(event.place.uuid),
                port_id=event.tag,
                failed=event.status == FAILED,
            )
            await request.app.bus.publish_event(VIF_PLUGGED_TOPIC, message)


_SWITCHED: Mapping[str, Action] = {
    "POWER_ON": START,
    "POWER_OFF": replace(STOP, vm_states=frozenset({VmState.ACTIVE})),
}
"""What is begun for a server that was switched from outside. The workflow asks its host first, and
does nothing when that is not so. A server in another state, or to which something is being done, is
left alone: what it is then, its host reports."""


async def _follow_power(request: Request, events: Sequence[Event]) -> None:
    app, begun = request.app, {}
    for event in events:
        workflow_id = await server_actions.begin_action(
            app.pool,
            event.place.uuid,
            _SWITCHED[str(event.tag)],
            state={"unless_as_it_should_be": True},
            requester=requester(request),
            deadline_s=app.settings.conductor.workflow_deadline_s,
            reserve_s=app.settings.conductor.reserve_s,
        )
        if workflow_id is not None:
            begun[event.place.uuid] = workflow_id
    wake(app, request.ctx.request_id, begun)


async def _follow_growth(request: Request, events: Sequence[Event]) -> None:
    """Guests are told that disks have grown; one action of a server for all of its disks."""
    app, begun, grown = request.app, dict[UUID, int](), dict[UUID, list[str]]()
    for event in events:
        placed = await servers.server_get(app.pool, event.place.uuid)
        disks = placed.server.block_devices if placed is not None else ()
        if (device := of_volume(disks, str(event.tag))) is not None:
            grown.setdefault(event.place.uuid, []).append(str(device.uuid))
    for uuid, devices in grown.items():
        workflow_id = await server_actions.begin_action(
            app.pool,
            uuid,
            EXTEND_VOLUME,
            state={"devices": devices},
            requester=requester(request),
            deadline_s=app.settings.conductor.workflow_deadline_s,
            reserve_s=app.settings.conductor.reserve_s,
        )
        if workflow_id is not None:
            begun[uuid] = workflow_id
    wake(app, request.ctx.request_id, begun)


KINDS: Mapping[str, Kind] = {
    "network-changed": Kind(_look_at_ports),
    "network-vif-plugged": Kind(_tell_builds),
    "network-vif-unplugged": Kind(_nobody_waits),
    "network-vif-deleted": Kind(_look_at_ports),
    "volume-extended": Kind(
        _follow_growth, versions.VOLUME_EXTENDED_EVENT, tag_ok=lambda tag: tag is not None
    ),
    "power-update": Kind(
        _follow_power, versions.POWER_UPDATE_EVENT, tag_ok=lambda tag: tag in _SWITCHED
    ),
    "accelerator-request-bound": Kind(
        _nobody_waits, versions.ACCELERATOR_EVENT, tag_ok=lambda tag: tag is not None
    ),
    "volume-reimaged": Kind(_nobody_waits, versions.VOLUME_REIMAGED_EVENT),
}


def judge(event: Mapping[str, Any], place: Place | None) -> int:
    """What is answered to one event."""
    if place is None:
        return 404
    if place.host is None:
        return 422
    return 200 if KINDS[event["name"]].tag_ok(event.get("tag")) else 400


async def accept(
    request: Request, events: Sequence[Mapping[str, Any]], places: Mapping[UUID, Place]
) -> list[dict[str, Any]]:
    """The events with the code of each; what was accepted is under way."""
    answers, accepted = [], dict[str, list[Event]]()
    for event in events:
        place = places.get(UUID(event["server_uuid"]))
        code, status = judge(event, place), event.get("status", COMPLETED)
        answers.append({**event, "status": status, "code": code})
        if code == 200 and place is not None:
            believed = Event(place, event.get("tag"), status)
            accepted.setdefault(event["name"], []).append(believed)
    for name, of_kind in accepted.items():
        await KINDS[name].act(request, of_kind)
    return answers
