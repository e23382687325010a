"""Volumes come to running servers and go from them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from common.db.stores import leftovers, server_actions
from common.db.stores.server_actions import Requester
from common.domain.actions import ATTACH_VOLUME
from common.domain.block_devices import BlockDevice
from common.errors import Conflict
from tests.functional.volumes.support import (
    attach,
    detach,
    running,
    volume_backed,
    volumes_of,
    with_volume,
)
from tests.functional.workflows.test_every_step import Fault
from tests.support.cluster import Cluster


async def test_attach_and_detach(cluster: Cluster) -> None:
    server_id, volume_id = await running(cluster), await cluster.volumes.make()
    status, body = await attach(cluster, server_id, volume_id, device="/dev/vdc", tag="data")
    assert status == 200
    assert body["volumeAttachment"] == {
        "id": volume_id,
        "serverId": server_id,
        "volumeId": volume_id,
        "device": "/dev/vdc",
        "tag": "data",
        "delete_on_termination": False,
    }
    assert await cluster.volumes.status(volume_id) != "available", "reserved by the request"
    await cluster.settled(server_id)
    shown = await cluster.volumes.show(volume_id)
    assert shown["status"] == "in-use"
    assert [(a["server_id"], a["device"]) for a in shown["attachments"]] == [
        (server_id, "/dev/vdc")
    ]
    server = await cluster.server(server_id)
    assert server is not None
    assert server["os-extended-volumes:volumes_attached"] == [
        {"id": volume_id, "delete_on_termination": False}
    ]
    await cluster.assert_sound()
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert (await detach(cluster, server_id, volume_id))[0] == 202
    await cluster.settled(server_id)
    assert await cluster.volumes.status(volume_id) == "available"
    assert (await cluster.request("GET", path))[0] == 404
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert [a["action"] for a in body["instanceActions"][:2]] == ["detach_volume", "attach_volume"]


@pytest.mark.parametrize("version", ["2.1", "2.70", "2.88", "2.89", "2.104"])
async def test_what_each_version_shows(cluster: Cluster, version: str) -> None:
    server_id, volume_id = await with_volume(cluster)
    path = f"/servers/{server_id}/os-volume_attachments"
    _, body = await cluster.request("GET", path, version=version)
    (listed,) = body["volumeAttachments"]
    _, body = await cluster.request("GET", f"{path}/{volume_id}", version=version)
    assert body["volumeAttachment"] == listed
    minor = int(version.split(".")[1])
    expected = {"serverId", "volumeId", "device"}
    expected |= {"id"} if minor < 89 else {"attachment_id", "bdm_uuid"}
    expected |= {"tag"} if minor >= 70 else set()
    expected |= {"delete_on_termination"} if minor >= 79 else set()
    assert set(listed) == expected
    assert listed["device"] == "/dev/vdb"


async def refused(
    cluster: Cluster, server_id: str, volume_id: str, **fields: Any
) -> tuple[int, str]:
    """Status and reason."""
    status, body = await attach(cluster, server_id, volume_id, **fields)
    (fault,) = body.values()
    return status, fault["message"]


async def test_what_is_refused(cluster: Cluster) -> None:
    server_id, volume_id = await with_volume(cluster, tag="taken")
    other, free = await running(cluster), await cluster.volumes.make()
    unknown = "6f70656e-7374-6163-6b20-617069206f6b"
    assert await refused(cluster, server_id, unknown) == (
        404,
        f"Volume {unknown} could not be found.",
    )
    assert await refused(cluster, server_id, volume_id) == (
        400,
        f"Invalid volume: volume {volume_id} already attached",
    )
    status, reason = await refused(cluster, other, volume_id)
    assert (status, "status must be available" in reason) == (400, True)
    assert await refused(cluster, server_id, free, device="/dev/vdb") == (
        409,
        "The supplied device path (/dev/vdb) is in use.",
    )
    assert (await refused(cluster, server_id, free, tag="taken"))[0] == 400
    assert (await refused(cluster, server_id, free, version="2.48", tag="t"))[0] == 400
    assert await cluster.volumes.status(free) == "available"
    await cluster.action(other, {"pause": None})
    await cluster.settled(other)
    assert (await attach(cluster, other, free))[0] == 200
    await cluster.settled(other)
    await cluster.action(other, {"unpause": None})
    await cluster.settled(other)
    await cluster.action(other, {"suspend": None})
    await cluster.settled(other)
    status, reason = await refused(cluster, other, free)
    assert (status, "vm_state suspended" in reason) == (409, True)


async def test_a_root_volume_is_not_detached(cluster: Cluster) -> None:
    server_id = await volume_backed(cluster)
    (volume_id,) = await volumes_of(cluster, server_id)
    status, body = await detach(cluster, server_id, volume_id)
    assert (status, body["badRequest"]["message"]) == (400, "Cannot detach a root device volume")
    free = await cluster.volumes.make()
    assert (await detach(cluster, server_id, free))[0] == 404


async def test_two_requests_for_one_volume(cluster: Cluster) -> None:
    first, second = await running(cluster), await running(cluster)
    volume_id = await cluster.volumes.make()
    answers = await asyncio.gather(
        *(attach(cluster, server_id, volume_id) for server_id in (first, second, first))
    )
    assert sorted(status for status, _ in answers) == [200, 400, 400]
    for server_id in (first, second):
        await cluster.settled(server_id)
    await cluster.assert_sound()
    holder = first if await volumes_of(cluster, first) else second
    answers = await asyncio.gather(*(detach(cluster, holder, volume_id) for _ in range(3)))
    assert min(status for status, _ in answers) == 202
    assert {status for status, _ in answers} <= {202, 400, 404}
    await cluster.settled(holder)
    await cluster.assert_sound()
    assert await cluster.volumes.status(volume_id) == "available"


async def test_a_volume_of_several_servers(cluster: Cluster) -> None:
    await cluster.volumes.make_type("shared", multiattach="<is> True")
    volume_id = await cluster.volumes.make(volume_type="shared")
    first, second = await running(cluster), await running(cluster)
    status, reason = await refused(cluster, first, volume_id, version="2.59")
    assert (status, "starting with compute API version 2.60" in reason) == (400, True)
    for server_id in (first, second):
        assert (await attach(cluster, server_id, volume_id, version="2.60"))[0] == 200
        await cluster.settled(server_id)
    await cluster.assert_sound()
    assert len((await cluster.volumes.show(volume_id))["attachments"]) == 2
    assert (await detach(cluster, first, volume_id))[0] == 202
    await cluster.settled(first)
    assert await cluster.volumes.status(volume_id) == "in-use"
    await cluster.assert_sound()
    await cluster.action(first, {"shelve": None})
    await cluster.settled(first)
    assert (await refused(cluster, first, volume_id, version="2.60"))[0] == 400


async def test_without_a_body_from_2_101(cluster: Cluster) -> None:
    server_id, volume_id = await running(cluster), await cluster.volumes.make()
    status, body = await attach(cluster, server_id, volume_id, version="2.101")
    assert (status, body) == (202, b"")
    await cluster.settled(server_id)
    assert await volumes_of(cluster, server_id) == [volume_id]


async def test_pages(cluster: Cluster) -> None:
    server_id = await running(cluster)
    for _ in range(3):
        volume_id = await cluster.volumes.make()
        assert (await attach(cluster, server_id, volume_id))[0] == 200
        await cluster.settled(server_id)
    every = await volumes_of(cluster, server_id)
    path = f"/servers/{server_id}/os-volume_attachments"
    for query, expected in (
        ("limit=2", every[:2]),
        ("limit=2&offset=1", every[1:]),
        ("offset=9", []),
        ("limit=0", every),
    ):
        _, body = await cluster.request("GET", f"{path}?{query}")
        assert [a["volumeId"] for a in body["volumeAttachments"]] == expected, query
    assert (await cluster.request("GET", f"{path}?x=1", version="2.74"))[0] == 200
    assert (await cluster.request("GET", f"{path}?x=1", version="2.75"))[0] == 400


async def test_a_failed_attach_leaves_nothing(cluster: Cluster) -> None:
    fault = Fault()
    server_id, volume_id = await running(cluster), await cluster.volumes.make()
    await cluster.stop_member("conductor")
    broken = fault.definitions("attach_volume", attach=fault.failing("after"))
    await cluster.start_conductor(definitions=broken)
    assert (await attach(cluster, server_id, volume_id))[0] == 200
    await cluster.settled(server_id)
    assert await volumes_of(cluster, server_id) == []
    assert await cluster.volumes.status(volume_id) == "available"
    await cluster.stop_member("conductor")
    await cluster.start_conductor()


async def test_a_request_that_was_given_up_attaches_nothing(cluster: Cluster) -> None:
    """It stood still for so long that what it had reserved is being given back."""
    server_id, volume_id = await running(cluster), await cluster.volumes.make()
    uuid = UUID(server_id)
    disk = BlockDevice(
        uuid=uuid4(), source_type="volume", destination_type="volume", volume_id=volume_id
    )
    requester = Requester("req-late", "user", "project")
    await leftovers.intend(cluster.pool, uuid, volume_id, "req-late", due_s=60)
    await cluster.pool.execute("update leftovers set attempts = 1")
    with pytest.raises(Conflict, match="has taken too long"):
        await server_actions.begin_with_disk(
            cluster.pool,
            uuid,
            ATTACH_VOLUME,
            disk=lambda _present: disk,
            state={},
            requester=requester,
            deadline_s=60,
        )
    await cluster.pool.execute("delete from leftovers")
    await cluster.assert_sound()
    assert not await cluster.pool.fetch("select from block_devices where server_uuid = $1", uuid)


async def test_a_request_that_dies_reserves_nothing_for_good(cluster: Cluster) -> None:
    """It has told the volume service, and the database does not know."""
    server_id, volume_id = await running(cluster), await cluster.volumes.make()
    await leftovers.intend(cluster.pool, UUID(server_id), volume_id, "req-dead", due_s=60)
    body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server_id}}
    status, answer = await cluster.volumes.call("POST", "/attachments", body)
    assert status == 200, answer
    await cluster.pool.execute("update leftovers set due_at = now()")
    await cluster.volumes.becomes(volume_id, "available")
    await cluster.assert_sound()
    assert (await attach(cluster, server_id, volume_id))[0] == 200
    await cluster.settled(server_id)
    await leftovers.intend(cluster.pool, UUID(server_id), volume_id, "req-dead", due_s=60)
    path = f"/volumes/{volume_id}/action"
    await cluster.volumes.call("POST", path, {"os-begin_detaching": {}})
    await cluster.pool.execute("update leftovers set due_at = now()")
    await cluster.volumes.becomes(volume_id, "in-use")
    await cluster.assert_sound()
