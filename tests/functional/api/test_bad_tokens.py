"""A flood of bad tokens: refused without asking, and nobody with a good one notices."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.functional.api.conftest import Answer, Deployment

BURST = 5


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    limits = {"bad_tokens_per_s": 0.001, "bad_tokens_burst": BURST, "token_check_connections": 1}
    return {"api": limits}


async def _show(deployment: Deployment, token: str) -> Answer:
    headers = {"X-Auth-Token": token}
    return await deployment.call("GET", "/flavors", user=None, headers=headers)


async def test_a_flood_is_refused_unasked(deployment: Deployment) -> None:
    assert (await deployment.call("GET", "/flavors", user="demo")).status == 200
    answers = await asyncio.gather(*(_show(deployment, f"bad-{n}") for n in range(40)))
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) == BURST
    refused = next(answer for answer in answers if answer.status == 429)
    assert int(refused.headers["Retry-After"]) > 0
    assert (await deployment.call("GET", "/flavors", user="demo")).status == 200
    assert (await _show(deployment, "bad-0")).status in {401, 429}
