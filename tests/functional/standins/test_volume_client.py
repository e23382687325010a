"""Muster's client of the volume service, against the stand-in, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import pytest

from common.auth.session import ServiceSession
from common.config.identity import IdentitySettings
from common.config.settings import NeighbourSettings
from common.errors import InvalidInput, NotFound, OverQuota
from common.neighbours.volume import VolumeClient
from common.runtime.ports import Clock
from tests.functional.standins.conftest import Cloud

SERVER = str(uuid4())
CONNECTOR = {"host": "compute-1", "mountpoint": "/dev/vdb"}


@pytest.fixture
async def client(cloud: Cloud) -> AsyncIterator[VolumeClient]:
    async with aiohttp.ClientSession() as http:
        identity = IdentitySettings(auth_url=f"{cloud.url}/identity")
        yield VolumeClient(ServiceSession(identity, NeighbourSettings(), http, Clock()))


async def test_volumes_are_made_for_the_user_and_seen_by_the_service(
    cloud: Cloud, client: VolumeClient
) -> None:
    token = await cloud.login("demo")
    images = (await cloud.call("GET", "/image/v2/images?name=cirros")).want(200)["images"]
    made = await client.create_volume(
        2,
        "v",
        image_id=images[0]["id"],
        volume_type="multiattach",
        zone="nova",
        metadata={"a": "b"},
        token=token,
    )
    assert made.status == "creating"
    volume = await client.volume(made.id)
    assert (volume.status, volume.size_gib, volume.name) == ("available", 2, "v")
    assert (volume.bootable, volume.multiattach, volume.read_only) == (True, True, False)
    assert volume.image_metadata["image_id"] == images[0]["id"]
    assert (volume.metadata, volume.zone) == ({"a": "b"}, "nova")
    assert await client.volume(made.id, token=token) == volume
    assert await client.volumes(name="v") == [volume]
    assert await client.volumes(token=await cloud.login("admin")) == []
    with pytest.raises(NotFound):
        await client.volume("nothing")
    with pytest.raises(InvalidInput):
        await client.create_volume(0, None, token=token)
    quota = {"quota_set": {"volumes": 1}}
    path = f"/volume/v3/os-quota-sets/{volume.project_id}"
    (await cloud.call("PUT", path, quota)).want(200)
    with pytest.raises(OverQuota):
        await client.create_volume(1, None, token=token)
    for _ in range(2):
        await client.delete_volume(made.id, token=token)
    with pytest.raises(NotFound):
        await client.delete_volume(made.id, missing_ok=False)


async def test_lists_are_read_to_their_end(
    cloud: Cloud, client: VolumeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.neighbours.volume._PAGE", 2)
    token = await cloud.login("demo")
    ids = [(await client.create_volume(1, None, token=token)).id for _ in range(5)]
    assert {volume.id for volume in await client.volumes()} == set(ids)
    assert len(await client.volumes(limit="3")) == 3


async def test_snapshots_and_types(cloud: Cloud, client: VolumeClient) -> None:
    token = await cloud.login("demo")
    volume = await client.create_volume(1, "v", token=token)
    made = await client.create_snapshot(volume.id, "s", force=True, token=token)
    snapshot = await client.snapshot(made.id)
    assert (snapshot.status, snapshot.volume_id, snapshot.size_gib) == ("available", volume.id, 1)
    assert await client.snapshots(volume_id=volume.id) == [snapshot]
    with pytest.raises(InvalidInput):
        await client.update_snapshot_status(made.id, "error", "50%")
    reset = {"os-reset_status": {"status": "deleting"}}
    (await cloud.call("POST", f"/volume/v3/snapshots/{made.id}/action", reset)).want(202)
    await client.update_snapshot_status(made.id, "error_deleting", "50%")
    assert (await client.snapshot(made.id)).status == "error_deleting"
    with pytest.raises(InvalidInput):
        await client.delete_volume(volume.id)
    for _ in range(2):
        await client.delete_snapshot(made.id)
    kind = await client.volume_type("multiattach", token=token)
    assert kind.multiattach
    assert await client.volume_type(kind.id) == kind
    with pytest.raises(NotFound):
        await client.volume_type("nothing")


async def test_an_attachment_from_its_reservation_to_its_end(
    cloud: Cloud, client: VolumeClient
) -> None:
    token = await cloud.login("demo")
    volume = (await client.create_volume(1, "v", token=token)).id
    reserved = await client.attachment_create(volume, SERVER, token=token)
    assert (reserved.status, reserved.server_uuid, reserved.connection) == ("reserved", SERVER, {})
    with pytest.raises(InvalidInput):
        await client.attachment_create(volume, str(uuid4()))
    for _ in range(2):
        connected = await client.attachment_update(reserved.id, CONNECTOR)
        assert connected.connection["driver_volume_type"] == "standin"
    for _ in range(2):
        await client.attachment_complete(reserved.id)
    shown = await client.volume(volume)
    assert shown.status == "in-use"
    (use,) = shown.uses
    assert (use.attachment_id, use.server_uuid, use.device) == (reserved.id, SERVER, "/dev/vdb")
    assert await client.attachments(server_uuid=SERVER) == [await client.attachment(reserved.id)]
    assert await client.attachments(server_uuid=str(uuid4())) == []
    await client.begin_detaching(volume, token=token)
    assert (await client.volume(volume)).status == "detaching"
    await client.roll_detaching(volume)
    # Nobody answers at the compute service's address: only a service may take it away now.
    path = f"/volume/v3/attachments/{reserved.id}"
    headers = {"OpenStack-API-Version": "volume 3.27"}
    (await cloud.call("DELETE", path, user="demo", headers=headers)).want(409)
    for _ in range(2):
        await client.attachment_delete(reserved.id)
    assert (await client.volume(volume)).status == "available"


async def test_rebuilding_and_swapping(cloud: Cloud, client: VolumeClient) -> None:
    token = await cloud.login("demo")
    images = (await cloud.call("GET", "/image/v2/images?name=cirros")).want(200)["images"]
    old, new = [(await client.create_volume(1, None, token=token)).id for _ in range(2)]
    await client.attachment_create(old, SERVER)
    with pytest.raises(InvalidInput):
        await client.reimage(old, images[0]["id"])
    await client.reimage(old, images[0]["id"], reserved=True)
    assert (await client.volume(old)).image_metadata["image_id"] == images[0]["id"]
    assert await client.complete_migration(old, new) == new
    with pytest.raises(InvalidInput):
        await client.extend_completed(old)


async def test_a_catalog_may_know_only_the_older_name(cloud: Cloud, client: VolumeClient) -> None:
    """Its address ends with a project, which is not the one that is asked for."""
    found = (await cloud.call("GET", "/identity/v3/services?type=block-storage")).want(200)
    path = f"/identity/v3/services/{found['services'][0]['id']}"
    (await cloud.call("PATCH", path, {"service": {"enabled": False}})).want(200)
    token = await cloud.login("demo")
    made = await client.create_volume(1, "v", token=token)
    assert (await client.volume(made.id)).name == "v"
