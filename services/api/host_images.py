"""Asking hosts to have images at hand before a server needs them.

Owns: which hosts are asked: those that are in service; one that is not would do it long after.
May not: wait for them. Crash story: a host that was not asked, or could not, fetches an image when
the first server needs it, as it always does.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from common.bus.port import BusClosed, Unroutable
from common.bus.topology import host_queue
from common.db.stores import os_services
from common.db.stores.os_services import COMPUTE
from common.errors import InvalidInput, MusterError, NotFound
from common.messages.compute import HostCommand
from services.api.request import Request

log = structlog.get_logger(__name__)


async def cache_on_hosts(request: Request, hosts: Sequence[str], images: Sequence[str]) -> None:
    """Raises `InvalidInput` for an image that the caller cannot see."""
    for image in images:
        try:
            await request.app.image.get(image, token=request.ctx.token)
        except NotFound as error:
            raise InvalidInput(f"Image {image} could not be found.") from error
    services = await os_services.find(request.app.pool, binary_name=COMPUTE)
    ready = {each.host for each in services if each.up and not each.disabled}
    for host in hosts:
        if host in ready:
            request.app.tasks.spawn(f"cache images {host}", _ask(request, host, images))
        else:
            log.info("images_not_cached", host=host, reason="the host is not in service")


async def _ask(request: Request, host: str, images: Sequence[str]) -> None:
    command = HostCommand(
        request_id=request.ctx.request_id,
        workflow_id=0,
        step="api.cache_images",
        attempt=0,
        server_uuid="",
        generation=0,
        verb="cache_images",
        params={"image_ids": list(images)},
        sent_at=request.app.clock.utcnow(),
    )
    try:
        await request.app.bus.publish(host_queue(host), command)
    except (BusClosed, Unroutable, MusterError) as error:
        log.warning("images_not_cached", host=host, reason=str(error))
