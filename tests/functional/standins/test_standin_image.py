"""Images: records, bytes, sharing; as the unmodified clients do it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.functional.standins.conftest import Answer, Cloud
from tests.support.wait import wait_for

IMAGES = "/image/v2/images"
PATCH_TYPE = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
RAW: dict[str, Any] = {"name": "i", "disk_format": "raw", "container_format": "bare"}


async def make(cloud: Cloud, *, user: str = "admin", **fields: Any) -> str:
    answer = await cloud.call("POST", IMAGES, {**RAW, **fields}, user=user)
    return str(answer.want(201)["id"])


async def upload(cloud: Cloud, image_id: str, data: Any, *, user: str = "admin") -> Answer:
    return await cloud.call("PUT", f"{IMAGES}/{image_id}/file", data=data, user=user)


async def patch(
    cloud: Cloud, image_id: str, *changes: tuple[str, str, Any], user: str = "admin"
) -> Answer:
    body = [{"op": op, "path": path, "value": value} for op, path, value in changes]
    return await cloud.call("PATCH", f"{IMAGES}/{image_id}", body, headers=PATCH_TYPE, user=user)


async def test_a_patch_of_version_2_0(cloud: Cloud) -> None:
    image_id = await make(cloud, gone="1", old="1")
    body: Any = [
        {"add": "/new", "value": "2"},
        {"replace": "/old", "value": "2"},
        {"remove": "/gone"},
    ]
    headers = {"Content-Type": "application/openstack-images-v2.0-json-patch"}
    image = (await cloud.call("PATCH", f"{IMAGES}/{image_id}", body, headers=headers)).want(200)
    assert (image["new"], image["old"], "gone" in image) == ("2", "2", False)
    for wrong in ({}, {"add": "/a", "remove": "/a"}, {"add": 1, "value": "2"}):
        path = f"{IMAGES}/{image_id}"
        (await cloud.call("PATCH", path, [wrong], headers=headers)).want(400)


async def test_the_schema_lists_formats_where_clients_look(cloud: Cloud) -> None:
    schema = (await cloud.call("GET", "/image/v2/schemas/image")).want(200)
    formats = schema["properties"]["disk_format"]
    assert formats["type"] == ["null", "string"]
    assert {None, "qcow2", "raw"} < set(formats["enum"])
    assert "bare" in schema["properties"]["container_format"]["enum"]


async def test_metadata_definitions(cloud: Cloud) -> None:
    """What a dashboard asks for before it shows where metadata are set; it needs some of each."""
    base = "/image/v2/metadefs"
    kinds = ((await cloud.call("GET", f"{base}/resource_types")).want(200))["resource_types"]
    assert "OS::Nova::Server" in [kind["name"] for kind in kinds]
    for kind in kinds:
        about = f"{base}/namespaces?resource_types={kind['name']}&limit=20&sort_key=namespace"
        found = (await cloud.call("GET", about)).want(200)["namespaces"]
        assert found, kind
        for each in found:
            path = f"{base}/namespaces/{each['namespace']}"
            one = (await cloud.call("GET", f"{path}?resource_type={kind['name']}")).want(200)
            assert one["properties"]
            targets = (await cloud.call("GET", f"{path}/resource_types")).want(200)
            assert targets["resource_type_associations"] == each["resource_type_associations"]
    (await cloud.call("GET", f"{base}/namespaces/nobody")).want(404)
    for name in ("namespace", "namespaces", "resource_type", "resource_types"):
        schema = await cloud.call("GET", f"/image/v2/schemas/metadefs/{name}")
        assert schema.want(200)["name"] == name


async def test_two_seeded_images_with_real_bytes(cloud: Cloud) -> None:
    await cloud.login("demo")
    images = (await cloud.call("GET", IMAGES, user="demo")).want(200)["images"]
    assert sorted(i["name"] for i in images) == ["cirros", "cirros-alt"]
    for image in images:
        assert (image["status"], image["visibility"]) == ("active", "public")
        answer = await cloud.call("GET", f"{IMAGES}/{image['id']}/file", user="demo")
        data = answer.want(200)
        assert data.startswith(b"QFI\xfb")
        assert len(data) == image["size"] > 20_000
        assert hashlib.sha512(data).hexdigest() == image["os_hash_value"]
        assert answer.headers["Content-MD5"] == hashlib.md5(data).hexdigest() == image["checksum"]
    assert images[0]["checksum"] != images[1]["checksum"]


async def test_versions_need_no_token(cloud: Cloud) -> None:
    for path in ("/image", "/image/", "/image/versions"):
        versions = (await cloud.call("GET", path, user=None)).want(300)["versions"]
        assert versions[0]["links"][0]["href"] == f"{cloud.url}/image/v2/"
    (await cloud.call("GET", IMAGES, user=None)).want(401)


async def test_upload_in_chunks_and_download(cloud: Cloud) -> None:
    image_id = await make(cloud)
    (await cloud.call("GET", f"{IMAGES}/{image_id}/file")).want(204)
    pieces = [bytes([n]) * 300_000 for n in range(8)]

    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    (await upload(cloud, image_id, chunks())).want(204)
    image = (await cloud.call("GET", f"{IMAGES}/{image_id}")).want(200)
    whole = b"".join(pieces)
    assert (image["status"], image["size"]) == ("active", len(whole))
    assert image["virtual_size"] == len(whole)
    assert image["os_hash_value"] == hashlib.sha512(whole).hexdigest()
    assert (await cloud.call("GET", f"{IMAGES}/{image_id}/file")).want(200) == whole
    part = await cloud.call("GET", f"{IMAGES}/{image_id}/file", headers={"Range": "bytes=0-9"})
    assert part.want(206) == whole[:10]
    (await upload(cloud, image_id, b"again")).want(409)
    assert (await cloud.call("GET", f"{IMAGES}/{image_id}/tasks")).want(200) == {"tasks": []}
    (await cloud.call("DELETE", f"{IMAGES}/{image_id}")).want(204)
    (await cloud.call("GET", f"{IMAGES}/{image_id}/file")).want(404)
    assert not (cloud.state_dir / "images" / image_id).exists()


async def test_a_broken_upload_leaves_a_queued_image(cloud: Cloud) -> None:
    image_id = await make(cloud)
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536
            started.set()
            await asyncio.sleep(0)

    async def status() -> str:
        return str((await cloud.call("GET", f"{IMAGES}/{image_id}")).want(200)["status"])

    sending = asyncio.create_task(upload(cloud, image_id, endless()))
    await started.wait()

    async def is_saving() -> bool:
        return await status() == "saving"

    async def is_queued() -> bool:
        return await status() == "queued"

    await wait_for(is_saving)
    sending.cancel()
    with pytest.raises((asyncio.CancelledError, aiohttp.ClientError)):
        await sending
    await wait_for(is_queued)
    (await upload(cloud, image_id, b"whole")).want(204)


async def test_an_image_that_is_too_large_is_refused(cloud: Cloud) -> None:
    cloud.overrides["image_max_bytes"] = 100_000
    await cloud.restart()
    image_id = await make(cloud)

    async def without_length() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 50_000

    for data in (b"x" * 100_001, without_length()):
        (await upload(cloud, image_id, data)).want(413)
        image = (await cloud.call("GET", f"{IMAGES}/{image_id}")).want(200)
        assert image["status"] == "queued"
        assert list((cloud.state_dir / "images").glob("*.part")) == []
    (await upload(cloud, image_id, b"x" * 100_000)).want(204)


async def test_a_crash_during_an_upload_leaves_a_queued_image(cloud: Cloud) -> None:
    image_id = await make(cloud)
    arrived = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        arrived.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(upload(cloud, image_id, slow()))
    await arrived.wait()
    part = cloud.state_dir / "images" / f"{image_id}.part"
    await wait_for(part.exists)
    session = cloud.session
    await cloud.service.crash()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await session.close()
    part.touch()
    await cloud.start()
    assert not part.exists()
    image = (await cloud.call("GET", f"{IMAGES}/{image_id}")).want(200)
    assert image["status"] == "queued"


async def test_properties_are_flat_text(cloud: Cloud) -> None:
    fields = {
        "hw_rescue_bus": "scsi",
        "owner_specified.openstack.md5": "",
        "image_type": "snapshot",
    }
    image_id = await make(cloud, **fields)
    image = (await cloud.call("GET", f"{IMAGES}/{image_id}")).want(200)
    assert {k: image[k] for k in fields} == fields
    assert image["file"] == f"/v2/images/{image_id}/file"
    assert image["visibility"] == "shared"
    answer = await cloud.call("POST", IMAGES, {**RAW, "hw_x": 5})
    assert b"hw_x" in answer.want(400)
    assert answer.headers["Content-Type"].startswith("text/html")
    for name in ("status", "checksum", "size", "os_glance_import_task"):
        (await cloud.call("POST", IMAGES, {**RAW, name: "x"})).want(403)
    (await cloud.call("POST", IMAGES, {**RAW, "min_disk": "large"})).want(400)
    (await cloud.call("POST", IMAGES, {**RAW, "id": "not-a-uuid"})).want(400)
    chosen = "11111111-2222-3333-4444-555555555555"
    assert await make(cloud, id=chosen) == chosen
    (await cloud.call("POST", IMAGES, {**RAW, "id": chosen})).want(409)
    many = {f"p{n}": "x" for n in range(129)}
    (await cloud.call("POST", IMAGES, {**RAW, **many})).want(413)


async def test_json_patch(cloud: Cloud) -> None:
    image_id = await make(cloud, tags=["t"], a="1")
    changes: list[tuple[str, str, Any]] = [
        ("replace", "/name", "new"),
        ("replace", "/tags", ["x", "x", "y"]),
        ("add", "/with~1slash", "v"),
        ("replace", "/a", "2"),
        ("add", "/b", "3"),
        ("remove", "/b", None),
    ]
    image = (await patch(cloud, image_id, *changes)).want(200)
    assert (image["name"], image["tags"]) == ("new", ["x", "y"])
    assert (image["with/slash"], image["a"], "b" in image) == ("v", "2", False)
    for change, status in (
        (("replace", "/none", "x"), 409),
        (("remove", "/none", None), 409),
        (("replace", "/id", "x"), 403),
        (("replace", "/size", 1), 403),
        (("remove", "/name", None), 403),
        (("replace", "/min_ram", "much"), 400),
        (("replace", "/name", 5), 400),
        (("add", "name", "x"), 400),
        (("move", "/name", "x"), 400),
    ):
        (await patch(cloud, image_id, change)).want(status)
    plain = await cloud.call("PATCH", f"{IMAGES}/{image_id}", [])
    plain.want(415)


async def test_protected_images_stay(cloud: Cloud) -> None:
    image_id = await make(cloud, protected=True)
    (await cloud.call("DELETE", f"{IMAGES}/{image_id}")).want(403)
    (await patch(cloud, image_id, ("replace", "/protected", False))).want(200)
    (await cloud.call("DELETE", f"{IMAGES}/{image_id}")).want(204)
    (await cloud.call("DELETE", f"{IMAGES}/{image_id}")).want(404)
    (await cloud.call("GET", f"{IMAGES}/cirros")).want(404)


async def test_filters_of_the_list(cloud: Cloud) -> None:
    a = await make(cloud, name="a", os_distro="x", tags=["red"], instance_uuid="u1")
    b = await make(cloud, name="b", os_distro="y", tags=["red", "hot"])
    c = await make(cloud, name="c", os_hidden=True)

    async def ids(query: str) -> list[str]:
        images = (await cloud.call("GET", f"{IMAGES}?{query}")).want(200)["images"]
        return [i["id"] for i in images if i["id"] in {a, b, c}]

    assert await ids("") == [b, a]
    assert await ids("name=a") == [a]
    assert await ids(f"id=in%3A{a}%2C{b}") == [b, a]
    assert await ids("name=in:a,b&sort=name:asc") == [a, b]
    assert await ids("tag=red&tag=hot") == [b]
    assert await ids("os_distro=x&instance_uuid=u1") == [a]
    assert await ids("os_hidden=True") == [c]
    assert await ids("status=queued&visibility=shared") == [b, a]
    assert await ids("status=in:active") == []
    assert await ids("created_at=gte:2020-01-01T00:00:00Z") == [b, a]
    assert await ids("updated_at=lt:2020-01-01T00:00:00Z") == []
    assert await ids("sort_key=name&sort_dir=asc") == [a, b]
    assert await ids("sort=created_at:asc") == [a, b]
    for wrong in ("limit=x", "marker=nope", "visibility=odd", "sort=color", "created_at=gte:soon"):
        (await cloud.call("GET", f"{IMAGES}?{wrong}")).want(400)


async def test_pages_follow_each_other(cloud: Cloud) -> None:
    made = [await make(cloud, name=f"n{n}") for n in range(27)]
    first = (await cloud.call("GET", f"{IMAGES}?status=queued")).want(200)
    assert len(first["images"]) == 25
    rest = (await cloud.call("GET", "/image" + first["next"])).want(200)
    assert "next" not in rest
    assert [i["id"] for i in first["images"] + rest["images"]] == made[::-1]


async def test_who_sees_and_changes_what(cloud: Cloud) -> None:
    await cloud.new_user("ann")
    bob = await cloud.new_user("bob")
    (await cloud.call("POST", IMAGES, {**RAW, "visibility": "public"}, user="ann")).want(403)
    shared = await make(cloud, user="ann", name="shared")
    private = await make(cloud, user="ann", visibility="private")
    common = await make(cloud, user="ann", visibility="community")

    async def listed(query: str = "") -> set[str]:
        images = (await cloud.call("GET", f"{IMAGES}{query}", user="bob")).want(200)["images"]
        return {i["id"] for i in images} & {shared, private, common}

    (await cloud.call("GET", f"{IMAGES}/{shared}", user="bob")).want(404)
    (await cloud.call("GET", f"{IMAGES}/{private}", user="bob")).want(404)
    (await cloud.call("GET", f"{IMAGES}/{common}", user="bob")).want(200)
    (await cloud.call("DELETE", f"{IMAGES}/{common}", user="bob")).want(403)
    assert await listed() == set()
    assert await listed("?visibility=community") == {common}

    members = f"{IMAGES}/{shared}/members"
    offered = (await cloud.call("POST", members, {"member": bob}, user="ann")).want(200)
    assert (offered["member_id"], offered["status"]) == (bob, "pending")
    (await cloud.call("POST", members, {"member": bob}, user="ann")).want(409)
    assert await listed() == set()
    assert await listed("?member_status=all") == {shared}
    accept = {"status": "accepted"}
    (await cloud.call("PUT", f"{members}/{bob}", accept, user="ann")).want(403)
    (await cloud.call("PUT", f"{members}/{bob}", accept, user="bob")).want(200)
    assert await listed() == {shared}
    (await upload(cloud, shared, b"data", user="bob")).want(403)
    (await cloud.call("DELETE", f"{members}/{bob}", user="ann")).want(204)
    (await cloud.call("GET", f"{IMAGES}/{shared}", user="bob")).want(404)
    (await cloud.call("POST", f"{IMAGES}/{private}/members", {"member": bob}, user="ann")).want(403)
    (await cloud.call("GET", f"{IMAGES}/{private}")).want(200)


async def test_tags_activation_and_schemas(cloud: Cloud) -> None:
    image_id = await make(cloud)
    (await cloud.call("PUT", f"{IMAGES}/{image_id}/tags/red")).want(204)
    (await cloud.call("DELETE", f"{IMAGES}/{image_id}/tags/red")).want(204)
    (await cloud.call("DELETE", f"{IMAGES}/{image_id}/tags/red")).want(404)
    (await upload(cloud, image_id, b"data")).want(204)
    await patch(cloud, image_id, ("replace", "/visibility", "public"))
    await cloud.login("demo")
    (await cloud.call("POST", f"{IMAGES}/{image_id}/actions/deactivate")).want(204)
    (await cloud.call("GET", f"{IMAGES}/{image_id}/file", user="demo")).want(403)
    (await cloud.call("POST", f"{IMAGES}/{image_id}/actions/reactivate")).want(204)
    (await cloud.call("GET", f"{IMAGES}/{image_id}/file", user="demo")).want(200)
    for name in ("image", "images", "member", "members"):
        schema = (await cloud.call("GET", f"/image/v2/schemas/{name}")).want(200)
        assert schema["name"] == name
    (await cloud.call("GET", "/image/v2/tasks")).want(404)
