"""Servers are made with volumes, and on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.errors import HostCommandFailed
from services.conductor.engine.context import Context
from services.conductor.engine.definition import Step
from tests.functional.volumes.support import (
    active,
    blank,
    gone,
    root_of_image,
    running,
    volume_backed,
    volumes_of,
)
from tests.functional.workflows.test_every_step import Fault
from tests.support.cluster import Cluster


async def test_boot_from_an_existing_volume_that_stays(cluster: Cluster) -> None:
    volume_id = await cluster.volumes.make_bootable()
    root = {"uuid": volume_id, "source_type": "volume", "boot_index": 0}
    server_id = await running(cluster, imageRef="", block_device_mapping_v2=[root])
    server = await cluster.server(server_id)
    assert server is not None
    assert server["image"] == ""
    assert server["os-extended-volumes:volumes_attached"] == [
        {"id": volume_id, "delete_on_termination": False}
    ]
    row = await cluster.pool.fetchrow(
        "select disk_gib from allocations where server_uuid = $1::uuid", server_id
    )
    assert row["disk_gib"] == 0, "a root volume takes nothing of the host's disk"
    _, body = await cluster.request(
        "POST", f"/servers/{server_id}/action", {"os-getConsoleOutput": {}}
    )
    assert f"root volume {volume_id}" in body["output"]
    await cluster.assert_sound()
    await gone(cluster, server_id)
    assert await cluster.volumes.status(volume_id) == "available"


async def test_boot_from_a_volume_made_of_an_image_in_the_users_project(cluster: Cluster) -> None:
    root = await root_of_image(cluster, delete_on_termination=True)
    server_id = await cluster.create_server(
        user="demo", imageRef="", block_device_mapping_v2=[root]
    )
    await active(cluster, server_id)
    (volume_id,) = await volumes_of(cluster, server_id)
    volume = await cluster.volumes.show(volume_id)
    row = await cluster.row(server_id)
    assert volume["os-vol-tenant-attr:tenant_id"] == row["project_id"]
    assert (volume["name"], volume["bootable"]) == ("", "true")
    await gone(cluster, server_id)
    await cluster.volumes.becomes(volume_id, None)


async def test_boot_with_data_volumes_of_every_source(cluster: Cluster) -> None:
    existing = await cluster.volumes.make()
    body = {"snapshot": {"volume_id": existing, "name": "s"}}
    status, answer = await cluster.volumes.call("POST", "/snapshots", body)
    assert status == 202, answer
    snapshot = answer["snapshot"]["id"]
    image = await cluster.image_id()
    disks = [
        {"uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0},
        {"uuid": existing, "source_type": "volume", "destination_type": "volume", "tag": "old"},
        {"uuid": snapshot, "source_type": "snapshot", "delete_on_termination": True},
        blank(volume_size=2, delete_on_termination=False),
    ]
    server_id = await running(cluster, block_device_mapping_v2=disks)
    first, of_snapshot, made = await volumes_of(cluster, server_id)
    assert first == existing
    assert (await cluster.volumes.show(of_snapshot))["snapshot_id"] == snapshot
    assert (await cluster.volumes.show(made))["size"] == 2
    await cluster.assert_sound()
    await gone(cluster, server_id)
    await cluster.volumes.becomes(of_snapshot, None)
    assert await cluster.volumes.status(existing) == "available"
    assert await cluster.volumes.status(made) == "available", "it was not to end with the server"
    for volume_id in (made,):
        await cluster.volumes.call("DELETE", f"/volumes/{volume_id}")


async def test_several_servers_get_volumes_of_their_own(cluster: Cluster) -> None:
    root = await root_of_image(cluster, delete_on_termination=True)
    first = await cluster.create_server(
        imageRef="", block_device_mapping_v2=[root, blank()], min_count=2, name="many"
    )
    await active(cluster, first)
    _, body = await cluster.request("GET", "/servers?name=many")
    ids = [server["id"] for server in body["servers"]]
    for server_id in ids:
        await active(cluster, server_id)
    found = [v for server_id in ids for v in await volumes_of(cluster, server_id)]
    assert len(set(found)) == 4
    await cluster.assert_sound()


async def test_the_old_form(cluster: Cluster) -> None:
    volume_id = await cluster.volumes.make_bootable()
    old = [{"volume_id": volume_id, "device_name": "vda", "delete_on_termination": True}]
    server_id = await running(cluster, imageRef="", block_device_mapping=old)
    assert await volumes_of(cluster, server_id) == [volume_id]
    await gone(cluster, server_id)
    await cluster.volumes.becomes(volume_id, None)


async def test_local_disks_reach_the_guest(cluster: Cluster) -> None:
    status, body = await cluster.request(
        "POST",
        "/flavors",
        {"flavor": {"name": "local", "id": "local", "ram": 64, "vcpus": 1, "disk": 1,
                    "OS-FLV-EXT-DATA:ephemeral": 2, "swap": 64}},
    )  # fmt: skip
    assert status == 200, body
    image = await cluster.image_id()
    disks = [
        {"uuid": image, "source_type": "image", "destination_type": "local", "boot_index": 0},
        {"source_type": "blank", "destination_type": "local", "volume_size": 1,
         "guest_format": "ext4", "disk_bus": "scsi"},
        {"source_type": "blank", "destination_type": "local", "guest_format": "swap"},
    ]  # fmt: skip
    server_id = await running(cluster, flavorRef="local", block_device_mapping_v2=disks)
    _, body = await cluster.request(
        "POST", f"/servers/{server_id}/action", {"os-getConsoleOutput": {}}
    )
    assert "sda: local disk ext4 scsi" in body["output"]
    assert "vdb: swap disk" in body["output"]
    assert await volumes_of(cluster, server_id) == []


async def test_a_build_that_fails_keeps_nothing_it_has_made(cluster: Cluster) -> None:
    existing = await cluster.volumes.make()
    root = await root_of_image(cluster, delete_on_termination=True)
    before = {volume["id"] for volume in await cluster.volumes.every()}
    mine = {"uuid": existing, "source_type": "volume"}
    server_id = await cluster.create_server(
        imageRef="",
        block_device_mapping_v2=[root, mine],
        availability_zone="nova:no-such-host",
    )
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "ERROR"
    assert {volume["id"] for volume in await cluster.volumes.every()} == before
    assert await cluster.volumes.status(existing) == "available"
    assert await volumes_of(cluster, server_id) == []
    await cluster.assert_sound()


async def test_a_build_whose_volume_cannot_be_made_is_over(cluster: Cluster) -> None:
    """What the step before it was to write is not written any more, and is not believed to be."""
    root = await root_of_image(cluster, delete_on_termination=True)
    brought = await cluster.volumes.show(await cluster.volumes.make())
    path = f"/os-quota-sets/{brought['os-vol-tenant-attr:tenant_id']}"
    status, before = await cluster.volumes.call("GET", path)
    assert status == 200, before
    most = before["quota_set"]["volumes"]
    await cluster.volumes.call("PUT", path, {"quota_set": {"volumes": 0}})
    try:
        server_id = await cluster.create_server(imageRef="", block_device_mapping_v2=[root])
        server = await cluster.settled(server_id)
    finally:
        await cluster.volumes.call("PUT", path, {"quota_set": {"volumes": most}})
    assert server is not None
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ERROR", None)
    await cluster.assert_sound()


@pytest.mark.parametrize(
    ("status", "reason", "fields"),
    [
        (400, "failed to get volume", {"uuid": "6f70656e-7374-6163-6b20-617069206f6b"}),
        (400, "Missing device UUID", {}),
    ],
)
async def test_what_is_refused(
    cluster: Cluster, status: int, reason: str, fields: dict[str, str]
) -> None:
    root = {"source_type": "volume", "boot_index": 0, **fields}
    body = {"name": "s", "flavorRef": "1", "imageRef": "", "networks": "none",
            "block_device_mapping_v2": [root]}  # fmt: skip
    got, answer = await cluster.request("POST", "/servers", {"server": body})
    assert got == status, answer
    assert reason in answer["badRequest"]["message"]


async def test_volumes_that_cannot_be_booted_from(cluster: Cluster) -> None:
    volume_id = await cluster.volumes.make()
    root = {"uuid": volume_id, "source_type": "volume", "boot_index": 0}
    body = {"name": "s", "flavorRef": "1", "imageRef": "", "networks": "none",
            "block_device_mapping_v2": [root]}  # fmt: skip
    status, answer = await cluster.request("POST", "/servers", {"server": body})
    assert (status, answer["badRequest"]["message"]) == (
        400,
        f"Block Device {volume_id} is not bootable.",
    )
    first = await volume_backed(cluster)
    (taken,) = await volumes_of(cluster, first)
    body["block_device_mapping_v2"] = [{**root, "uuid": taken}]
    status, answer = await cluster.request("POST", "/servers", {"server": body})
    assert status == 400, answer
    assert "status must be available" in answer["badRequest"]["message"]


async def test_what_users_write_about_a_volumes_image_is_no_number(cluster: Cluster) -> None:
    volume_id = await cluster.volumes.make_bootable()
    said = {"min_ram": "much", "min_disk": "9" * 255, "size": "-"}
    action = {"os-set_image_metadata": {"metadata": said}}
    status, body = await cluster.volumes.call("POST", f"/volumes/{volume_id}/action", action)
    assert status == 200, body
    root = {"uuid": volume_id, "source_type": "volume", "boot_index": 0}
    server_id = await running(cluster, imageRef="", block_device_mapping_v2=[root])
    await gone(cluster, server_id)


async def test_a_build_that_goes_to_another_host_takes_its_volumes_along(
    cluster: Cluster,
) -> None:
    refused_on: list[str] = []

    def once(step: Step) -> Step:
        async def spawn(context: Context) -> None:
            if not refused_on:
                refused_on.append(context.state["host"])
                raise HostCommandFailed("not here")
            await step.do(context)

        return replace(step, do=spawn)

    await cluster.stop_member("conductor")
    await cluster.start_conductor(definitions=Fault().definitions("build", spawn=once))
    existing = await cluster.volumes.make_bootable()
    disks = [
        {"uuid": existing, "source_type": "volume", "boot_index": 0},
        blank(),
    ]
    server_id = await running(cluster, imageRef="", block_device_mapping_v2=disks)
    assert [(await cluster.row(server_id))["host"]] != refused_on
    assert len(await volumes_of(cluster, server_id)) == 2
    hosts = {a["connection_info"]["host"] for a in await cluster.volumes.attachments()}
    assert hosts == {(await cluster.row(server_id))["host"]}
    marked = [v for v in await cluster.volumes.every() if v["metadata"].get("muster_disk")]
    assert len([v for v in marked if v["status"] == "in-use"]) == 1, "made once"
    await cluster.assert_sound()
    await cluster.stop_member("conductor")
    await cluster.start_conductor()
