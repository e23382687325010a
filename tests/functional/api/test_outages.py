"""Without a database: 503 for every request that needs it, and one line in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg
import pytest
from structlog.testing import capture_logs

from common.config.settings import DatabaseSettings, Settings
from common.db.pool import close_pool, create_pool
from common.runtime.ports import Ports
from services.api import app as api
from services.api.http import faults
from tests.functional.api.conftest import Deployment
from tests.support.database_proxy import DatabaseProxy
from tests.support.wait import wait_for


@pytest.fixture
async def proxy(deployment: Deployment) -> AsyncIterator[DatabaseProxy]:
    made = DatabaseProxy(deployment.database_url)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def base_url(deployment: Deployment, proxy: DatabaseProxy) -> AsyncIterator[str]:
    """A second API, whose way to the database can be cut."""
    pool = await create_pool(DatabaseSettings(url=proxy.url))
    settings = Settings(
        api={"listen_port": 0, "host_name": "api-cut"},
        identity={"auth_url": deployment.identity_url},
    )
    service = api.create(settings, Ports(bus=deployment.bus, pool=pool))
    await service.start()
    yield f"http://127.0.0.1:{service.port}"
    await service.stop()
    await close_pool(pool)


async def test_an_outage_is_said_once(
    deployment: Deployment, proxy: DatabaseProxy, base_url: str
) -> None:
    headers = {"X-Auth-Token": deployment.tokens["admin"]}

    async def ask() -> tuple[int, str | None, str]:
        async with deployment.http.get(f"{base_url}/v2.1/flavors", headers=headers) as response:
            return response.status, response.headers.get("Retry-After"), await response.text()

    assert (await ask())[0] == 200
    with capture_logs() as logs:
        await proxy.cut()
        providers = f"{base_url}/placement/resource_providers"
        async with deployment.http.get(providers, headers=headers) as response:
            assert (response.status, response.headers.get("Retry-After")) == (503, "2")
        for _ in range(3):
            status, retry_after, text = await ask()
            assert (status, retry_after) == (503, "2")
            assert "PGSQL" not in text
        await proxy.mend()
        await wait_for(lambda: _is_said(logs, "in_reach_again"), 5)
    said = [each for each in logs if each.get("what") == "database"]
    assert [each["event"] for each in said] == ["out_of_reach", "in_reach_again"]
    assert (await ask())[0] == 200


async def _is_said(logs: Sequence[Mapping[str, object]], event: str) -> bool:
    return any(each["event"] == event for each in logs)


@pytest.mark.parametrize(("query", "value"), [("select $1::integer", "x"), ("select 1", 2)])
async def test_our_own_mistakes_are_no_outage(
    deployment: Deployment, query: str, value: object
) -> None:
    with pytest.raises((asyncpg.InterfaceError, asyncpg.DataError)) as raised:
        await deployment.pool.fetchval(query, value)
    assert faults.status_of(raised.value) == 500
    assert not faults.expected(raised.value), "so that it is logged with its traceback"
    assert query not in faults.message_of(raised.value)


async def test_a_session_that_has_ended_is_one(deployment: Deployment) -> None:
    async with deployment.pool.acquire() as connection:
        await connection.close()
        with pytest.raises(asyncpg.InterfaceError) as raised:
            await connection.execute("select 1")
    assert faults.status_of(raised.value) == 503
