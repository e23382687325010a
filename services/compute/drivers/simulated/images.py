"""Images of a simulated host.

Owns: `<state_dir>/<host>/images`, an id a line: what the host has at hand. There are no bytes
behind them: guests of this driver are not made of any.
May not: know the image service. Crash story: a line is appended whole; what a kill tears off is no
id and counts as not fetched.
"""

from __future__ import annotations

from pathlib import Path

from common.errors import HostCommandFailed, MusterError
from services.compute.drivers.base import ImageCached
from services.compute.drivers.simulated.host import SimulatedHost
from services.compute.drivers.simulated.store import is_uuid


class ImageVerbs(SimulatedHost):
    """`ImageCache` of drivers/optional.py."""

    async def cache_images(self, image_ids: list[str]) -> dict[str, ImageCached]:
        return {image_id: await self._cache(image_id) for image_id in image_ids}

    async def cached_images(self) -> list[str]:
        self._observe()
        path = self._images
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if is_uuid(line)]

    async def _cache(self, image_id: str) -> ImageCached:
        if image_id in await self.cached_images():
            return "existing"

        def apply() -> None:
            if not is_uuid(image_id):
                raise HostCommandFailed(f"{image_id!r} is not the id of an image")
            with self._images.open("a") as images:
                images.write(f"\n{image_id}\n")

        try:
            await self._run("cache_images", image_id, apply, pretend=_nothing)
        except MusterError:
            return "error"
        return "cached"

    @property
    def _images(self) -> Path:
        return self._store.directory / "images"


def _nothing() -> None:
    pass
