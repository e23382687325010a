"""Servers by their other name: the same operations, until the name ends."""

from __future__ import annotations

import datetime as dt

from services.api.handlers import all_operations
from tests.functional.api.conftest import Deployment

LAST = 102


async def create(deployment: Deployment) -> str:
    images = deployment.identity_url.replace("/identity", "/image/v2/images?name=cirros")
    headers = {"X-Auth-Token": deployment.tokens["demo"]}
    async with deployment.http.get(images, headers=headers) as response:
        image = (await response.json())["images"][0]["id"]
    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": image, "networks": "none"}}
    answer = await deployment.call("POST", "/os-volumes_boot", body, user="demo", v=LAST)
    assert answer.status == 202, answer.body
    server = str(answer.body["server"]["id"])
    assert answer.headers["Location"].endswith(f"/servers/{server}")
    return server


async def test_it_is_the_same_server(deployment: Deployment) -> None:
    server = await create(deployment)
    for path in ("", "/detail", f"/{server}"):
        for v in (1, 96, LAST):
            one, other = [
                await deployment.call("GET", root + path, user="demo", v=v)
                for root in ("/servers", "/os-volumes_boot")
            ]
            assert (one.status, one.body) == (other.status, other.body) == (200, one.body)
    body = {"server": {"name": "renamed"}}
    path = f"/os-volumes_boot/{server}"
    answer = await deployment.call("PUT", path, body, user="demo", v=LAST)
    assert answer.body["server"]["name"] == "renamed"
    assert answer.body["server"]["links"][0]["href"].endswith(f"/servers/{server}")
    for v, status in ((LAST, 200), (LAST + 1, 404)):
        assert (await deployment.call("GET", path, user="demo", v=v)).status == status


async def test_its_actions_begin_the_same_workflows(deployment: Deployment) -> None:
    await deployment.add_host("volumes-boot-host")
    launched = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    host = "volumes-boot-host"
    server = await deployment.add_server("other", host, launched_at=launched)
    path = f"/os-volumes_boot/{server}/action"
    answer = await deployment.call("POST", path, {"os-start": None}, user="other", v=LAST)
    assert answer.status == 409
    answer = await deployment.call("POST", path, {"os-stop": None}, user="other", v=LAST)
    assert answer.status == 202
    kind = await deployment.pool.fetchval(
        "select kind from workflows where server_uuid = $1", server
    )
    assert kind == "stop"
    answer = await deployment.call("POST", path, {"pause": None}, user="other", v=LAST)
    assert (answer.status, answer.fault()) == (400, "There is no such action: pause")
    answer = await deployment.call("DELETE", f"/os-volumes_boot/{server}", user="other", v=LAST)
    assert answer.status == 204


def test_nothing_outlives_the_name() -> None:
    ends = {row.until for row in all_operations() if row.path.startswith("/os-volumes_boot")}
    assert ends == {LAST}
