"""What the user of the hosts may do: give the images of servers their data, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.standins.conftest import Cloud

HOST = "muster-host"
IMAGES = "/image/v2/images"
OF_SERVER = {"instance_uuid": "6c7c0a3e-0f0a-4c0c-8a54-0d9c5b0e4b11"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


@pytest.fixture(autouse=True)
async def host(cloud: Cloud) -> None:
    await cloud.login(HOST, "muster", "service")


async def queued(cloud: Cloud, **properties: str) -> str:
    body = {"visibility": "private", "disk_format": "raw", "container_format": "bare", **properties}
    return str((await cloud.call("POST", IMAGES, body)).want(201)["id"])


async def upload(cloud: Cloud, image_id: str, user: str = HOST) -> int:
    answer = await cloud.call("PUT", f"{IMAGES}/{image_id}/file", data=b"disk", user=user)
    return answer.status


async def test_it_fills_an_image_of_a_server_once(cloud: Cloud) -> None:
    image_id = await queued(cloud, **OF_SERVER)
    path = f"{IMAGES}/{image_id}"
    assert (await cloud.call("GET", path, user=HOST)).want(200)["status"] == "queued"
    assert await upload(cloud, image_id) == 204
    assert (await cloud.call("GET", path, user=HOST)).want(200)["status"] == "active"
    assert await upload(cloud, image_id) == 409


async def test_no_other_image_is_its_business(cloud: Cloud) -> None:
    image_id = await queued(cloud, image_type="snapshot")
    assert await upload(cloud, image_id) == 404
    assert (await cloud.call("GET", f"{IMAGES}/{image_id}", user=HOST)).status == 404
    public = await queued(cloud, visibility="public")
    assert await upload(cloud, public) == 403
    assert await upload(cloud, public, user="admin") == 204


async def test_of_the_image_it_fills_it_may_do_nothing_else(cloud: Cloud) -> None:
    image_id = await queued(cloud, **OF_SERVER)
    path = f"{IMAGES}/{image_id}"
    change = [{"op": "replace", "path": "/name", "value": "mine"}]
    refused = [
        await cloud.call("PATCH", path, change, headers=PATCH, user=HOST),
        await cloud.call("DELETE", path, user=HOST),
        await cloud.call("PUT", f"{path}/tags/mine", user=HOST),
        await cloud.call("POST", f"{path}/members", {"member": "mine"}, user=HOST),
        await cloud.call("GET", f"{path}/members", user=HOST),
    ]
    assert await upload(cloud, image_id) == 204
    refused.append(await cloud.call("GET", f"{path}/file", user=HOST))
    refused.append(await cloud.call("POST", f"{path}/actions/deactivate", user=HOST))
    assert [answer.status for answer in refused] == [403] * len(refused)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", IMAGES, None),
        ("POST", IMAGES, {"name": "i"}),
        ("GET", "/image/v2/schemas/image", None),
        ("GET", "/network/v2.0/networks", None),
        ("POST", "/network/v2.0/networks", {"network": {"name": "n"}}),
        ("GET", "/network/v2.0/ports", None),
        ("POST", "/network/v2.0/security-groups", {"security_group": {"name": "s"}}),
        ("GET", "/volume/v3/volumes/detail", None),
        ("POST", "/volume/v3/volumes", {"volume": {"size": 1}}),
        ("GET", "/volume/v3/types", None),
        ("GET", "/identity/v3/users", None),
        ("POST", "/identity/v3/users", {"user": {"name": "u", "password": "p"}}),
        ("POST", "/identity/v3/projects", {"project": {"name": "p"}}),
        ("GET", "/identity/v3/role_assignments", None),
        ("POST", "/identity/v3/services", {"service": {"type": "t", "name": "n"}}),
    ],
)
async def test_everything_else_is_refused(cloud: Cloud, method: str, path: str, body: Any) -> None:
    assert (await cloud.call(method, path, body, user=HOST)).status == 403


async def test_a_token_without_a_project_is_worth_no_more(cloud: Cloud) -> None:
    who = {"name": HOST, "domain": {"name": "Default"}, "password": "muster"}
    identity = {"methods": ["password"], "password": {"user": who}}
    login = {"auth": {"identity": identity, "scope": "unscoped"}}
    answer = await cloud.call("POST", "/identity/v3/auth/tokens", login, user=None)
    answer.want(201)
    cloud.tokens[HOST] = answer.headers["X-Subject-Token"]
    assert await upload(cloud, await queued(cloud, **OF_SERVER)) == 403
    assert (await cloud.call("GET", "/network/v2.0/networks", user=HOST)).status == 403
