"""Sending a guest's disk to the image service: the one verb that needs more than the driver.

Owns: `upload_snapshot`. Nothing of the image crosses the bus; it goes from the driver to the image
service in chunks, as the user of the hosts, who may do nothing else there (nor anywhere).
May not: make, change or remove an image; the workflow does. Costs nothing until it is first used:
the HTTP client is imported then, and a session lives as long as one upload.

Crash story: an image is `active` only when all its data has arrived, so a repeated command finds it
active and is done, or `queued` and starts again. While it is `saving` somebody is uploading: this
verb in an earlier life whose broken connection the service has not noticed yet, or a repeat of it.
That is unavailable, which a conductor repeats until its deadline; then it removes the image.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from common.config.settings import Settings
from common.errors import Conflict, HostCommandFailed, NotFound, Unavailable
from services.compute.drivers.base import Driver
from services.compute.drivers.optional import Snapshot
from services.compute.faults import Effect, FaultRegistry
from services.compute.freezing import HostClock

if TYPE_CHECKING:
    from common.neighbours.image import ImageClient

VERB = "upload_snapshot"


class Uploads:
    """Of one host; its method is a verb of `verbs.py`."""

    def __init__(
        self,
        host: str,
        settings: Settings,
        *,
        driver: Driver,
        clock: HostClock,
        faults: FaultRegistry | None,
    ) -> None:
        self._host = host
        self._settings = settings
        self._driver = driver
        self._clock = clock
        self._faults = faults

    async def upload_snapshot(self, uuid: str, generation: int, image_id: str) -> None:
        """Give the queued image `image_id` the guest's disk; an active image has it already.

        Raises `NotFound` when there is no such guest or image, `Conflict` when the image can take
        no data any more, `Unavailable` when the image service does not answer or another upload is
        going on, and what the driver raises.
        """
        rule = self._faults and self._faults.fire(self._host, VERB, uuid)
        if self._faults and rule:
            await self._faults.suffer(rule, self._clock)
        if rule and rule.effect is Effect.REPORTED_DONE_BUT_LOST:
            return
        async with self._image_service() as images:
            if not await _has_its_data(images, image_id):
                await self._upload(images, uuid, generation, image_id)
        if rule and rule.effect is Effect.DONE_BUT_REPORTED_FAILED:
            raise HostCommandFailed(rule.message)

    async def snapshot_format(self) -> str:
        """What the data will be, as the image service names it; its record must say so before."""
        return cast(Snapshot, self._driver).snapshot_format

    async def _upload(self, images: ImageClient, uuid: str, generation: int, image_id: str) -> None:
        driver = cast(Snapshot, self._driver)
        chunks = driver.snapshot(uuid, generation)
        # The driver refuses before its first chunk. Asked for inside the request, that would look
        # like a broken connection.
        first = await anext(chunks)
        try:
            await images.upload(image_id, self._paced(first, chunks))
        except Conflict:
            if not await _has_its_data(images, image_id):
                raise

    async def _paced(self, first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """All chunks; none leaves a frozen host."""
        yield first
        async for chunk in rest:
            await self._clock.passage()
            yield chunk

    @asynccontextmanager
    async def _image_service(self) -> AsyncIterator[ImageClient]:
        import aiohttp

        from common.auth.session import ServiceSession
        from common.neighbours.image import ImageClient

        async with aiohttp.ClientSession() as http:
            settings = self._settings
            session = ServiceSession(
                settings.identity,
                settings.neighbours,
                http,
                self._clock,
                account=settings.compute.identity,
            )
            yield ImageClient(session)


async def _has_its_data(images: ImageClient, image_id: str) -> bool:
    """Whether the image is complete; raises when it is neither that nor waiting for data."""
    try:
        image = await images.get(image_id)
    except NotFound as error:
        raise NotFound(f"image {image_id} is gone; it was to take the snapshot") from error
    if image.status == "saving":
        raise Unavailable(f"image {image_id} is being uploaded already")
    if image.status not in {"queued", "active"}:
        raise Conflict(f"image {image_id} is {image.status}; it takes no data any more")
    return image.status == "active"
