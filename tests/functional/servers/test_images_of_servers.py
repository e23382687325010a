"""createImage and createBackup: the image's record, the answers, and what failures leave behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.functional.servers.conftest import Stack

BACKUP = {"name": "b", "backup_type": "weekly", "rotation": "2"}


@pytest.fixture(scope="module", autouse=True)
async def hosts(stack: Stack) -> None:
    await stack.add_host("up")


async def images(stack: Stack, **filters: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return list((await stack.neighbour("image", f"/v2/images?{query}"))["images"])


async def server(stack: Stack, **columns: Any) -> str:
    return await stack.server(**{"host": "up", "image_ref": stack.image, **columns})


async def test_the_record_of_a_snapshot(stack: Stack) -> None:
    inherited = {"os_type": "linux", "hw_disk_bus": "virtio", "img_signature": "x"}
    server_id = await server(stack, image_properties=inherited, root_gib=7)
    metadata = {"a": "b", "image_type": "mine", "status": "active", "visibility": "public"}
    body = {"createImage": {"name": "snap", "metadata": metadata}}
    answer = await stack.action(server_id, body)
    assert answer.status == 202, answer.body
    image_id = answer.body["image_id"]
    assert set(answer.body) == {"image_id"}
    image = await stack.neighbour("image", f"/v2/images/{image_id}")
    row = await stack.row(server_id)
    user = await stack.pool.fetchval(
        "select user_id from instance_actions where server_uuid = $1::uuid", server_id
    )
    expected = {
        "name": "snap", "status": "queued", "visibility": "private", "min_disk": 7,
        "owner": stack.projects["demo"], "image_type": "mine", "image_location": "snapshot",
        "instance_uuid": server_id, "base_image_ref": stack.image, "user_id": user,
        "os_type": "linux", "hw_disk_bus": "virtio", "a": "b", "container_format": "bare",
    }  # fmt: skip
    assert {name: image[name] for name in expected} == expected
    assert "img_signature" not in image
    (workflow,) = await stack.workflows(server_id)
    assert (workflow["kind"], workflow["state"]) == ("create_image", {"image_id": image_id})
    assert (row["vm_state"], row["task_state"]) == ("active", "image_snapshot_pending")


async def test_the_record_of_a_backup(stack: Stack) -> None:
    server_id = await server(stack)
    answer = await stack.action(server_id, {"createBackup": BACKUP})
    assert answer.status == 202, answer.body
    image = await stack.neighbour("image", f"/v2/images/{answer.body['image_id']}")
    assert (image["image_type"], image["backup_type"]) == ("backup", "weekly")
    (workflow,) = await stack.workflows(server_id)
    assert workflow["kind"] == "create_backup"
    assert workflow["state"] == {
        "image_id": image["id"], "backup_type": "weekly", "rotation": 2,
    }  # fmt: skip


@pytest.mark.parametrize("body", [{"createImage": {"name": "old"}}, {"createBackup": BACKUP}])
async def test_below_2_45_the_id_is_in_the_location(stack: Stack, body: dict[str, Any]) -> None:
    for v in (1, 44):
        server_id = await server(stack)
        answer = await stack.action(server_id, body, v=v)
        assert (answer.status, answer.body) == (202, b"")
        location, image_id = answer.headers["Location"].rsplit("/", 1)
        assert location.endswith("/images")
        assert (await stack.workflows(server_id))[0]["state"]["image_id"] == image_id
    server_id = await server(stack)
    answer = await stack.action(server_id, body, v=45)
    assert "Location" not in answer.headers


@pytest.mark.parametrize("kind", ["createImage", "createBackup"])
async def test_metadata_quota_ends_with_2_38(stack: Stack, kind: str) -> None:
    fields = {"name": "m"} if kind == "createImage" else BACKUP
    body = {kind: {**fields, "metadata": {"a": "1", "b": "2", "c": "3"}}}
    quota = {"quota_set": {"metadata_items": 2}}
    await stack.call("PUT", f"/os-quota-sets/{stack.projects['demo']}", quota)
    server_id = await server(stack)
    before = await images(stack, limit="1000")
    answer = await stack.action(server_id, body, v=38)
    assert (answer.status, answer.fault()) == (403, "Image metadata limit exceeded")
    assert await images(stack, limit="1000") == before
    answer = await stack.action(server_id, body, v=39)
    assert answer.status == 202, answer.body


async def test_an_administrators_image_is_the_projects(stack: Stack) -> None:
    server_id = await server(stack)
    answer = await stack.action(server_id, {"createImage": {"name": "a"}}, user="admin")
    image = await stack.neighbour("image", f"/v2/images/{answer.body['image_id']}")
    assert image["owner"] == stack.projects["demo"]


async def test_a_server_whose_image_is_gone(stack: Stack) -> None:
    gone = "11111111-2222-3333-4444-555555555555"
    server_id = await server(stack, image_ref=gone)
    answer = await stack.action(server_id, {"createImage": {"name": "g"}})
    image = await stack.neighbour("image", f"/v2/images/{answer.body['image_id']}")
    assert (image["disk_format"], image["base_image_ref"]) == ("qcow2", gone)


async def test_no_image_for_a_wrong_state_or_a_lost_race(stack: Stack) -> None:
    server_id = await server(stack, vm_state="rescued")
    answer = await stack.action(server_id, {"createImage": {"name": "race"}})
    assert answer.status == 409
    assert not await images(stack, name="race")
    for _ in range(3):
        server_id = await server(stack)
        body = {"createImage": {"name": "race"}}
        answers = await asyncio.gather(*(stack.action(server_id, body) for _ in range(6)))
        won = [a.body["image_id"] for a in answers if a.status == 202]
        assert len(won) == 1
        assert {a.status for a in answers} == {202, 409}
        left = await images(stack, name="race", instance_uuid=server_id)
        assert [image["id"] for image in left] == won
        assert len(await stack.workflows(server_id)) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"createImage": {}}, "'name' is a required property"),
        ({"createImage": {"name": ""}}, "name"),
        ({"createImage": {"name": "x", "metadata": {"a": 1}}}, "Invalid input for field"),
        ({"createImage": {"name": "x", "metadata": {"a": "x" * 256}}}, "Invalid input for field"),
        ({"createImage": {"name": "x", "rotation": 1}}, "'rotation' was unexpected"),
        ({"createBackup": {"name": "x", "backup_type": "d"}}, "'rotation' is a required"),
        ({"createBackup": {**BACKUP, "rotation": -1}}, "rotation"),
        ({"createBackup": {**BACKUP, "rotation": "-1"}}, "rotation"),
        ({"createBackup": {**BACKUP, "backup_type": None}}, "backup_type"),
    ],
)
async def test_bad_bodies(stack: Stack, body: dict[str, Any], words: str) -> None:
    server_id = await server(stack)
    answer = await stack.action(server_id, body)
    assert answer.status == 400
    assert words in answer.fault()
    assert not await stack.workflows(server_id)
