"""Stand-ins beside a real identity service: here another process's stand-in plays its part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from common.bus.memory import MemoryBroker, MemoryBus
from common.config.settings import Settings
from common.errors import Unavailable
from common.runtime.ports import Clock, Ports
from services.standins.app import Standins, create
from tests.functional.standins.conftest import Cloud

NETWORKS = "/network/v2.0/networks"


def beside(cloud: Cloud, folder: Path, **identity: str) -> Standins:
    settings = Settings(
        standins={"listen_port": 0, "state_dir": folder, "serve": ("network", "volume")},
        identity={"auth_url": f"{cloud.url}/identity", "token_cache_s": 0.0, **identity},
        neighbours={"attempts": 1},
    )
    return create(settings, Ports(bus=MemoryBus(MemoryBroker()), clock=Clock()))


@pytest.fixture
async def other(cloud: Cloud, tmp_path: Path) -> AsyncIterator[str]:
    started = beside(cloud, tmp_path / "beside")
    await started.start()
    yield f"http://127.0.0.1:{started.port}"
    await started.stop()


async def ask(cloud: Cloud, url: str, token: str, path: str = NETWORKS) -> int:
    headers = {"X-Auth-Token": token}
    async with cloud.session.get(url + path, headers=headers) as answer:
        return answer.status


async def test_tokens_are_those_of_the_other_service(cloud: Cloud, other: str) -> None:
    demo = await cloud.login("demo")
    assert await ask(cloud, other, demo) == 200
    assert await ask(cloud, other, "forged") == 401
    assert await ask(cloud, other, "") == 401
    headers = {"X-Auth-Token": demo}
    body = {"network": {"shared": True}}
    async with cloud.session.post(other + NETWORKS, json=body, headers=headers) as answer:
        assert answer.status == 403, "roles count too"
    assert await ask(cloud, other, await cloud.login("muster-host", "muster", "service")) == 403
    revoked = {"X-Subject-Token": demo}
    (await cloud.call("DELETE", "/identity/v3/auth/tokens", headers=revoked)).want(204)
    assert await ask(cloud, other, demo) == 401


async def test_only_what_is_served_is_there(cloud: Cloud, other: str) -> None:
    demo = await cloud.login("demo")
    for path in ("/identity/v3", "/image/v2/images"):
        assert await ask(cloud, other, demo, path) == 404
    headers = {"X-Auth-Token": demo}
    url = f"{other}/volume/v3/volumes"
    for image, status in (({}, 202), ({"imageRef": "11111111-2222-3333-4444-555555555555"}, 400)):
        body = {"volume": {"size": 1, **image}}
        async with cloud.session.post(url, json=body, headers=headers) as answer:
            assert answer.status == status


async def test_without_the_other_service_nobody_can_tell(cloud: Cloud, other: str) -> None:
    demo = await cloud.login("demo")
    await cloud.service.stop()
    assert await ask(cloud, other, demo) == 503


async def test_nothing_starts_without_a_login(cloud: Cloud, tmp_path: Path) -> None:
    started = beside(cloud, tmp_path / "beside", password="wrong")
    with pytest.raises(Unavailable):
        await started.start()
    with pytest.raises(aiohttp.ClientError):
        await ask(cloud, f"http://127.0.0.1:{started.port}", "x")
