"""What the operator tells guests: a file, and services that are asked about each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from common.errors import InvalidInput
from tests.functional.metadata.conftest import World

VENDOR_DATA = "/openstack/latest/vendor_data.json"
VENDOR_DATA2 = "/openstack/latest/vendor_data2.json"
STATIC = {"region": "north"}


@dataclass
class Vendor:
    """A service that is asked about guests; `answer` is what it says next."""

    url: str = ""
    asked: list[Any] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    body: bytes = b'{"token": "t"}'
    status: int = 200
    silent: bool = False

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.tokens.append(request.headers["X-Auth-Token"])
        if self.silent:
            await asyncio.Event().wait()
        return web.Response(status=self.status, body=self.body)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    made, app = Vendor(), web.Application()
    app.router.add_post("/about", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/about"
    yield made
    await runner.cleanup()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vendor.json"
    path.write_bytes(orjson.dumps(STATIC))
    return path


async def told(world: World, server_id: str, path: str) -> Any:
    return orjson.loads((await world.as_guest(server_id, path)).body)


async def test_without_any(world: World) -> None:
    await world.start()
    server_id = await world.created()
    assert await told(world, server_id, VENDOR_DATA) == {}
    assert await told(world, server_id, VENDOR_DATA2) == {"static": {}}


async def test_file_and_service(world: World, vendor: Vendor, file: Path) -> None:
    server_id = await world.created(metadata={"a": "b"}, user_data="aGk=")
    services = {"directory": vendor.url}
    await world.start(vendor_data_file=str(file), vendor_data_services=services)
    assert await told(world, server_id, VENDOR_DATA) == STATIC
    everything = {"static": STATIC, "directory": {"token": "t"}}
    assert await told(world, server_id, VENDOR_DATA2) == everything
    row = await world.cluster.row(server_id)
    assert vendor.asked[-1] == {
        "project-id": row["project_id"],
        "instance-id": server_id,
        "image-id": row["image_ref"],
        "user-data": "aGk=",
        "hostname": f"{row['hostname']}.novalocal",
        "metadata": {"a": "b"},
    }
    assert vendor.tokens[-1], "asked under Muster's own token"


@pytest.mark.parametrize(
    "broken",
    [
        {"status": 500}, {"body": b"no json"}, {"body": b"[1]"}, {"silent": True},
        {"body": b'"' + b"x" * 70_000 + b'"'}, {"status": 302},
    ],
)  # fmt: skip
async def test_a_service_that_fails(
    world: World, vendor: Vendor, broken: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server_id = await world.created(user_data="c2VjcmV0")
    for name, value in broken.items():
        setattr(vendor, name, value)
    settings = {"vendor_data_services": {"directory": vendor.url}, "vendor_data_timeout_s": 0.1}
    await world.start(**settings)
    assert await told(world, server_id, VENDOR_DATA2) == {"static": {}, "directory": {}}
    await world.start(**settings, vendor_data_required=True)
    answer = await world.as_guest(server_id, VENDOR_DATA2)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert vendor.url not in answer.text
    printed = capsys.readouterr()
    assert "c2VjcmV0" not in printed.out + printed.err


async def test_it_is_asked_once_in_a_while(world: World, vendor: Vendor) -> None:
    server_id = await world.created()
    await world.start(cache_s=60.0, vendor_data_services={"directory": vendor.url})
    for path in (VENDOR_DATA2, VENDOR_DATA, "/openstack/latest/meta_data.json"):
        assert (await world.as_guest(server_id, path)).status == 200
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("content", [None, b"no json", b"[1]"])
async def test_a_file_that_cannot_be_used(
    world: World, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "vendor.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"metadata\.vendor_data_file: .*vendor\.json"):
        await world.start(vendor_data_file=str(path))
    await world.start()
