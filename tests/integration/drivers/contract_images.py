"""What every driver must do that can have images at hand before a guest needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration.drivers.contract import Contract

FIRST, SECOND = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class ImageCacheContract(Contract):
    async def test_images_are_fetched_once(self, driver: Any) -> None:
        assert await driver.cached_images() == []
        assert await driver.cache_images([FIRST]) == {FIRST: "cached"}
        assert await driver.cache_images([SECOND, FIRST]) == {SECOND: "cached", FIRST: "existing"}
        assert await driver.cached_images() == [FIRST, SECOND]

    async def test_one_that_cannot_be_fetched_keeps_no_other_from_being(self, driver: Any) -> None:
        assert await driver.cache_images(["no id", FIRST]) == {"no id": "error", FIRST: "cached"}
        assert await driver.cached_images() == [FIRST]

    async def test_they_stay(self, make_driver: Callable[[], Any]) -> None:
        driver = make_driver()
        await driver.start()
        await driver.cache_images([FIRST])
        await driver.crash()
        again = make_driver()
        await again.start()
        assert await again.cached_images() == [FIRST]
        await again.stop()
