"""Images through the Compute API, with the real image stand-in behind it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.functional.api.conftest import Answer, Deployment

UNKNOWN = "11111111-2222-3333-4444-555555555555"
NAMED = {"id", "name", "links"}
DETAILED = NAMED | {
    "minRam", "minDisk", "metadata", "created", "updated", "status", "progress",
    "OS-EXT-IMG-SIZE:size",
}  # fmt: skip


async def make(
    deployment: Deployment, *, user: str = "demo", data: bytes | None = None, **fields: Any
) -> str:
    """An image of the user's own, active when `data` is given; its id."""
    url = deployment.identity_url.replace("/identity", "/image/v2/images")
    headers = {"X-Auth-Token": deployment.tokens[user]}
    body = {"name": "i", "disk_format": "raw", "container_format": "bare", **fields}
    async with deployment.http.post(url, json=body, headers=headers) as response:
        assert response.status == 201, await response.text()
        image_id = str((await response.json())["id"])
    if data is not None:
        put = deployment.http.put(f"{url}/{image_id}/file", data=data, headers=headers)
        async with put as response:
            assert response.status == 204, await response.text()
    return image_id


async def call(
    deployment: Deployment,
    method: str,
    path: str,
    body: Any = None,
    *,
    v: int = 1,
    user: str = "demo",
) -> Answer:
    return await deployment.call(method, path, body, v=v, user=user)


async def ids(deployment: Deployment, query: str) -> list[str]:
    answer = await call(deployment, "GET", f"/images?{query}")
    assert answer.status == 200, answer.body
    return [image["id"] for image in answer.body["images"]]


async def test_an_image_with_data(deployment: Deployment) -> None:
    image_id = await make(deployment, data=b"12345", min_disk=3, min_ram=64, os_type="linux")
    answer = await call(deployment, "GET", f"/images/{image_id}")
    image = answer.body["image"]
    assert set(image) == DETAILED
    assert (image["status"], image["progress"]) == ("ACTIVE", 100)
    assert (image["minDisk"], image["minRam"], image["OS-EXT-IMG-SIZE:size"]) == (3, 64, 5)
    assert image["metadata"] == {"os_type": "linux"}
    own, bookmark, alternate = image["links"]
    assert own["href"] == f"{deployment.base_url}/v2.1/images/{image_id}"
    assert bookmark["href"] == f"{deployment.base_url}/images/{image_id}"
    assert alternate["type"] == "application/vnd.openstack.image"
    assert alternate["href"].endswith(f"/image/images/{image_id}")


async def test_a_snapshot_names_its_server_and_waits_for_data(deployment: Deployment) -> None:
    server = str(uuid4())
    made: Any = {"instance_uuid": server, "image_type": "snapshot", "auto_disk_config": "True"}
    image_id = await make(deployment, **made)
    image = (await call(deployment, "GET", f"/images/{image_id}")).body["image"]
    assert (image["status"], image["progress"]) == ("SAVING", 25)
    assert (image["OS-EXT-IMG-SIZE:size"], image["OS-DCF:diskConfig"]) == (0, "AUTO")
    assert image["server"]["id"] == server
    assert [link["rel"] for link in image["server"]["links"]] == ["self", "bookmark"]
    href = image["server"]["links"][1]["href"]
    for query in (f"server={server}", f"server={href}", f"property-instance_uuid={server}"):
        assert await ids(deployment, query) == [image_id]
    assert image_id in await ids(deployment, "type=snapshot")


async def test_filters(deployment: Deployment) -> None:
    name = "filtered"
    waiting = await make(deployment, name=name)
    active = await make(deployment, name=name, data=b"x", min_disk=7, min_ram=70)
    assert await ids(deployment, f"name={name}") == [active, waiting]
    assert await ids(deployment, f"name={name}&status=ACTIVE") == [active]
    assert await ids(deployment, f"name={name}&status=saving") == [waiting]
    assert await ids(deployment, f"name={name}&status=unheard-of") == []
    assert await ids(deployment, f"name={name}&minDisk=7&minRam=70") == [active]
    assert await ids(deployment, f"name={name}&changes-since=2001-01-01T00:00:00Z") != []
    assert await ids(deployment, f"name={name}&changes-since=2991-01-01T00:00:00Z") == []
    assert await ids(deployment, f"name={name}&something=else") == [active, waiting]


@pytest.mark.parametrize(("path", "keys"), [("/images", NAMED), ("/images/detail", DETAILED)])
async def test_pages(deployment: Deployment, path: str, keys: set[str]) -> None:
    name = path.strip("/").replace("/", "-") + "-page"
    made = [await make(deployment, name=name) for _ in range(3)]
    found, query = [], f"{path}?name={name}&limit=2"
    while query:
        page = (await call(deployment, "GET", query)).body
        assert all(set(image) == keys for image in page["images"])
        found.append([image["id"] for image in page["images"]])
        query = ""
        for link in page.get("images_links", ()):
            query = link["href"].removeprefix(f"{deployment.base_url}/v2.1")
            assert query.startswith(f"{path}?")
    assert found == [[made[2], made[1]], [made[0]]]


async def test_a_page_longer_than_the_image_services(deployment: Deployment) -> None:
    made = [await make(deployment, name="many") for _ in range(27)]
    assert len(await ids(deployment, "name=many")) == len(made)


@pytest.mark.parametrize(
    "query",
    [
        *("limit=-1", "limit=0", "offset=0", "page_size=0", "limit=x"),
        *(f"marker={UNKNOWN}", "minDisk=x", "changes-since=tomorrow"),
    ],
)
async def test_bad_queries(deployment: Deployment, query: str) -> None:
    assert (await call(deployment, "GET", f"/images?{query}")).status == 400


async def test_each_sees_and_deletes_what_is_theirs(deployment: Deployment) -> None:
    image_id = await make(deployment, visibility="private", name="private")
    for method in ("GET", "DELETE"):
        answer = await call(deployment, method, f"/images/{image_id}", user="other")
        assert (answer.status, answer.fault()) == (404, "Image not found.")
    answer = await call(deployment, "GET", "/images?name=private", user="other")
    assert answer.body == {"images": []}
    assert (await call(deployment, "DELETE", f"/images/{image_id}")).status == 204
    answer = await call(deployment, "DELETE", f"/images/{image_id}")
    assert (answer.status, answer.fault()) == (404, "Image not found.")


async def test_a_protected_image_stays(deployment: Deployment) -> None:
    image_id = await make(deployment, protected=True)
    assert (await call(deployment, "DELETE", f"/images/{image_id}")).status == 403
    assert (await call(deployment, "GET", f"/images/{image_id}")).status == 200


async def test_metadata(deployment: Deployment) -> None:
    path = f"/images/{await make(deployment, a='1', b='2')}/metadata"

    async def kept() -> Any:
        return (await call(deployment, "GET", path, v=38)).body

    assert await kept() == {"metadata": {"a": "1", "b": "2"}}
    answer = await call(deployment, "POST", path, {"metadata": {"b": "3", "c.d": "4"}})
    assert answer.body == {"metadata": {"a": "1", "b": "3", "c.d": "4"}} == await kept()
    answer = await call(deployment, "PUT", f"{path}/a", {"meta": {"a": "5"}})
    assert answer.body == {"meta": {"a": "5"}}
    assert (await call(deployment, "GET", f"{path}/a")).body == {"meta": {"a": "5"}}
    answer = await call(deployment, "PUT", path, {"metadata": {"a": "5", "e": "6"}})
    assert answer.body == {"metadata": {"a": "5", "e": "6"}} == await kept()
    assert (await call(deployment, "DELETE", f"{path}/e")).status == 204
    assert await kept() == {"metadata": {"a": "5"}}
    for method in ("GET", "DELETE"):
        answer = await call(deployment, method, f"{path}/e")
        assert (answer.status, answer.fault()) == (404, "Metadata item was not found")


async def test_too_much_metadata(deployment: Deployment) -> None:
    path = f"/images/{await make(deployment, a='1')}/metadata"
    items = {f"k{number}": "v" for number in range(128)}
    for method, most in (("PUT", items), ("POST", {"k0": "w"})):
        assert (await call(deployment, method, path, {"metadata": most})).status == 200
    for method, more in (("POST", {"k128": "v"}), ("PUT", {**items, "k128": "v"})):
        answer = await call(deployment, method, path, {"metadata": more})
        assert (answer.status, answer.fault()) == (403, "Image metadata limit exceeded")
    assert (await call(deployment, "PUT", f"{path}/k128", {"meta": {"k128": "v"}})).status == 403


async def test_bad_metadata(deployment: Deployment) -> None:
    path = f"/images/{await make(deployment)}/metadata"
    for metadata in (None, {"a": 1}, {"": "x"}, {"a": "x" * 256}):
        answer = await call(deployment, "POST", path, {"metadata": metadata})
        assert answer.status == 400
    answer = await call(deployment, "PUT", f"{path}/a", {"meta": {"b": "1"}})
    assert (answer.status, answer.fault()) == (400, "Request body and URI mismatch")
    for method, body in (("GET", None), ("POST", {"metadata": {}}), ("PUT", {"metadata": {}})):
        answer = await call(deployment, method, f"/images/{UNKNOWN}/metadata", body)
        assert (answer.status, answer.fault()) == (404, "Image not found.")


async def test_metadata_of_somebody_elses_image(deployment: Deployment) -> None:
    image_id = await make(deployment, user="admin", visibility="public", a="1")
    path = f"/images/{image_id}/metadata"
    assert (await call(deployment, "GET", path)).status == 200
    assert (await call(deployment, "PUT", path, {"metadata": {}})).status == 403
    assert (await call(deployment, "DELETE", f"{path}/a")).status == 403


async def test_where_the_versions_end(deployment: Deployment) -> None:
    image_id = await make(deployment, a="1")
    for path, last in (
        ("/images", 35),
        ("/images/detail", 35),
        (f"/images/{image_id}", 35),
        (f"/images/{image_id}/metadata", 38),
        (f"/images/{image_id}/metadata/a", 38),
    ):
        assert (await call(deployment, "GET", path, v=last)).status == 200
        assert (await call(deployment, "GET", path, v=last + 1)).status == 404
    assert (await call(deployment, "DELETE", f"/images/{image_id}", v=36)).status == 404
    assert (await call(deployment, "DELETE", f"/images/{image_id}", v=35)).status == 204
