"""Clean up what workflows could not: rows of table `leftovers`.

Owns: what is done about each kind, and the gauge of how many there are.
May not: act on a server that a workflow owns, or decide about a guest: a host that reports is told
what is over (verdicts.py), and its report ends the row.
Crash story: a row that was cleaned up and not deleted is found cleaned up the next time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import structlog
from prometheus_client import Gauge

from common.db.stores import leftovers as store
from common.db.stores import servers
from common.db.stores import services as services_store
from common.db.stores.leftovers import Row
from common.domain.actions import ANY_STATE, ATTACH_INTERFACE, DETACH_INTERFACE, DETACH_VOLUME
from common.errors import MusterError, NotFound, Unavailable, reason
from common.messages.compute import HostRecheck
from services.conductor.engine.context import Deps
from services.conductor.reconcilers.beginning import MOST, begin
from services.conductor.workflows import attaching, making_volumes, ports, snapshotting, volumes

log = structlog.get_logger(__name__)

LEFTOVERS = Gauge(
    "muster_leftovers", "What workflows could not clean up and nobody has since", ["kind"]
)


async def clean_leftovers(deps: Deps) -> int:
    """Returns how many rows were worked off."""
    cleaned = 0
    for row in await store.take_due(deps.pool, MOST, deps.settings.conductor.reconcile_interval_s):
        try:
            over = await CLEANERS[row.kind](deps, row)
        except Exception as error:  # one that cannot be cleaned up is in nobody's way
            expected = isinstance(error, MusterError)
            log.warning(
                "leftover_stays",
                kind=row.kind,
                id=row.id,
                error=repr(error),
                exc_info=None if expected else error,
            )
            await store.failed(deps.pool, row.id, reason(error) if expected else repr(error))
            continue
        if over:
            log.info("leftover_cleaned_up", kind=row.kind, id=row.id, server=str(row.server_uuid))
            await store.done(deps.pool, row.id)
            cleaned += 1
    counts = await store.counts(deps.pool)
    for kind in CLEANERS:
        LEFTOVERS.labels(kind).set(counts.get(kind, 0))
    return cleaned


async def _ports(deps: Deps, row: Row) -> bool:
    """Not over when the server has been moved meanwhile: its ports may have been bound back. What a
    workflow makes, that has begun since the row was taken, is not among the ports asked for before
    it was seen that there is none."""
    before = await servers.server_get(deps.pool, row.server_uuid, include_deleted=True)
    if before is None:
        return True
    found = await deps.network.ports_of(before.server)
    if not await store.at_rest(deps.pool, row.server_uuid):
        return False
    placed = await servers.server_get(deps.pool, row.server_uuid, include_deleted=True)
    if placed is None:
        return True
    await ports.settle(deps.network, placed.server, found)
    after = await servers.server_get(deps.pool, row.server_uuid, include_deleted=True)
    return (
        after is not None
        and after.server.task_state is None
        and after.server.updated_at == placed.server.updated_at
    )


async def _image(deps: Deps, row: Row) -> bool:
    await deps.image.delete(row.detail["id"])
    return True


async def _guest(deps: Deps, row: Row) -> bool:
    """Ask the host to report; without the guest its report ends the row. A host that is no more has
    nothing, and a guest that has become the server's is nobody's leftover."""
    host = row.detail["host"]
    placed = await servers.server_get(deps.pool, row.server_uuid)
    if placed is not None and (placed.server.host, placed.server.generation) == (
        host,
        row.detail["generation"],
    ):
        return True
    await deps.bus.publish_event(f"host.{host}", HostRecheck(host=host))
    return not await services_store.host_exists(deps.pool, host)


async def _attachments(deps: Deps, row: Row) -> bool:
    """Of one volume, when a request was about to reserve it or to detach it; else all that are not
    the server's. A volume that stayed `detaching` is in use again."""
    if volumes.AT_GUEST in row.detail:
        return await _at_guest(deps, row, row.detail[volumes.AT_GUEST])
    only: str | None = row.detail.get("volume_id")
    if not await volumes.settle(deps.pool, deps.volume, row.server_uuid, only=only):
        return False
    placed = await servers.server_get(deps.pool, row.server_uuid)
    for device in placed.server.volumes if placed is not None else ():
        if device.volume_id is None or only not in (None, device.volume_id):
            continue
        with suppress(NotFound):
            if (await deps.volume.volume(device.volume_id)).status == "detaching":
                await deps.volume.roll_detaching(device.volume_id)
    return True


async def _at_guest(deps: Deps, row: Row, volume_id: str) -> bool:
    """Have a workflow take the volume from the guest, unless it is the server's by now. The end of
    the workflow ends the row."""
    placed = await servers.server_get(deps.pool, row.server_uuid)
    if placed is None or placed.server.host is None:
        return True
    if any(device.volume_id == volume_id for device in placed.server.volumes):
        return True
    host = placed.server.host
    if await services_store.host_standing(deps.pool, host) != "up":
        raise Unavailable(f"host {host} is down")
    state = {"device": "", volumes.AT_GUEST: volume_id}
    await begin(deps, row.server_uuid, replace(DETACH_VOLUME, vm_states=ANY_STATE), state)
    return False


async def _volume(deps: Deps, row: Row) -> bool:
    """Not when a disk of the server is this volume: then it is nobody's leftover."""
    placed = await servers.server_get(deps.pool, row.server_uuid)
    used = {device.volume_id for device in placed.server.volumes} if placed is not None else set()
    gone = True
    for volume_id in await _volumes_of(deps, row):
        if volume_id not in used:
            gone = await making_volumes.delete(deps.volume, volume_id) and gone
    return gone


async def _volumes_of(deps: Deps, row: Row) -> list[str]:
    if "made_for" in row.detail:
        return [v.id for v in await making_volumes.made_for(deps.volume, row.detail["made_for"])]
    return [row.detail["id"]]


async def _snapshot(deps: Deps, row: Row) -> bool:
    volume_id, image_id = row.detail["volume_id"], row.detail["image_id"]
    await snapshotting.settle(deps.volume, deps.image, volume_id, image_id)
    return True


async def _interface(deps: Deps, row: Row) -> bool:
    """Have a workflow make the guest's interface what the server shows, unless its port is gone:
    then it has to go. The end of the workflow ends the row."""
    port_id = row.detail["port_id"]
    placed = await servers.server_get(deps.pool, row.server_uuid)
    if placed is None or placed.server.host is None:
        return True
    host = placed.server.host
    if await services_store.host_standing(deps.pool, host) != "up":
        raise Unavailable(f"host {host} is down")
    shown = any(vif["port_id"] == port_id for vif in placed.server.network_info)
    state = {"port_id": port_id}
    if shown and not await attaching.has_port(deps.network, placed.server, port_id):
        shown, state = False, {**state, "gone": True}
    action = ATTACH_INTERFACE if shown else DETACH_INTERFACE
    await begin(deps, row.server_uuid, replace(action, vm_states=ANY_STATE), state)
    return False


CLEANERS: Mapping[str, Callable[[Deps, Row], Awaitable[bool]]] = {
    "ports": _ports,
    "image": _image,
    "guest": _guest,
    "attachments": _attachments,
    "volume": _volume,
    "snapshot": _snapshot,
    "interface": _interface,
}
