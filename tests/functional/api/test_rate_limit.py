"""One project asking too fast does not take the API from the others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.api.conftest import Deployment


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"api": {"rate_limit_per_s": 0.001, "rate_limit_burst": 3}}


async def test_the_fourth_request_waits(deployment: Deployment) -> None:
    answers = [await deployment.call("GET", "/flavors", user="demo") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    (fault,) = answers[3].body.values()
    assert fault["retryAfter"] == answers[3].headers["Retry-After"]
    assert (
        answers[3].headers["OpenStack-API-Version"] == answers[0].headers["OpenStack-API-Version"]
    )
    assert (await deployment.call("GET", "/flavors", user="admin")).status == 200
