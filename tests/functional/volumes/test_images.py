"""Images of servers on volumes; rebuild, rescue and resize of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from services.api import app as api
from tests.functional.volumes.support import (
    active,
    attach,
    gone,
    running,
    volume_backed,
    volumes_of,
)
from tests.support.cluster import Cluster
from tests.support.wait import wait_for


async def image(cluster: Cluster, image_id: str) -> dict[str, Any]:
    url = cluster.identity_url.removesuffix("/identity") + "/image/v2"
    _, body = await cluster.request("GET", f"/images/{image_id}", url=url)
    found: dict[str, Any] = body
    return found


async def snapshot(cluster: Cluster, server_id: str, name: str) -> dict[str, Any]:
    """The image of a server, when it is there."""
    path = f"/servers/{server_id}/action"
    status, body = await cluster.request("POST", path, {"createImage": {"name": name}})
    assert status == 202, body

    async def there() -> bool:
        return bool((await image(cluster, body["image_id"]))["status"] == "active")

    await wait_for(there, 10, "the image to be active")
    await cluster.settled(server_id)
    return await image(cluster, body["image_id"])


async def test_policy_may_keep_images_of_servers_on_volumes_from_users(
    cluster: Cluster, tmp_path: Path
) -> None:
    server_id, other = await volume_backed(cluster), await running(cluster)
    rule = "os_compute_api:servers:create_image:allow_volume_backed"
    (tmp_path / "policy.yaml").write_text(f'"{rule}": "!"\n')
    await cluster.stop_member("api")
    await cluster.start_member("api", api.create, api={"policy_file": tmp_path / "policy.yaml"})
    try:
        asked = {"createImage": {"name": "n"}}
        status, body = await cluster.request("POST", f"/servers/{server_id}/action", asked)
        assert (status, rule in str(body)) == (403, True)
        status, body = await cluster.request("POST", f"/servers/{other}/action", asked)
        assert status == 202, body
        await cluster.settled(other)
    finally:
        await cluster.stop_member("api")
        await cluster.start_member("api", api.create)


async def test_an_image_of_a_server_on_volumes_can_be_booted(cluster: Cluster) -> None:
    server_id, data = await volume_backed(cluster), await cluster.volumes.make(2)
    assert (await attach(cluster, server_id, data, tag="data"))[0] == 200
    await cluster.settled(server_id)
    made = await snapshot(cluster, server_id, "both")
    assert made["size"] == 0
    assert made["bdm_v2"] == "True"
    disks = json.loads(made["block_device_mapping"])
    assert [(d["boot_index"], d["volume_size"], d["tag"]) for d in disks] == [
        (0, 1, None),
        (None, 2, "data"),
    ]
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert body["instanceActions"][0]["action"] == "createImage"
    await cluster.assert_sound()
    second = await running(cluster, imageRef=made["id"])
    copies = await volumes_of(cluster, second)
    assert [(await cluster.volumes.show(v))["snapshot_id"] for v in copies] == [
        disk["snapshot_id"] for disk in disks
    ]
    await cluster.assert_sound()
    await gone(cluster, second)
    for volume_id in copies[1:]:
        assert await cluster.volumes.status(volume_id) == "available"
        await cluster.volumes.call("DELETE", f"/volumes/{volume_id}")
    await gone(cluster, server_id)
    url = cluster.identity_url.removesuffix("/identity") + "/image/v2"
    await cluster.request("DELETE", f"/images/{made['id']}", url=url)
    for disk in disks:
        await cluster.volumes.call("DELETE", f"/snapshots/{disk['snapshot_id']}")


async def test_no_backup(cluster: Cluster) -> None:
    server_id = await volume_backed(cluster)
    body = {"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}
    await cluster.action(server_id, body, 400)


async def test_rebuild_writes_the_volume_anew(cluster: Cluster) -> None:
    server_id = await volume_backed(cluster)
    (volume_id,) = await volumes_of(cluster, server_id)
    other = await snapshot(cluster, await running(cluster), "other")
    body = {"rebuild": {"imageRef": other["id"]}}
    path = f"/servers/{server_id}/action"
    status, answer = await cluster.request("POST", path, body, version="2.92")
    assert status == 400, answer
    status, answer = await cluster.request("POST", path, body, version="2.93")
    assert status == 202, answer
    server = await active(cluster, server_id)
    assert server["image"] == ""
    assert await volumes_of(cluster, server_id) == [volume_id]
    volume = await cluster.volumes.show(volume_id)
    assert volume["volume_image_metadata"]["image_id"] == other["id"]
    assert volume["status"] == "in-use"
    await cluster.assert_sound()
    status, answer = await cluster.request("POST", path, body, version="2.92")
    assert status == 202, answer
    await active(cluster, server_id)
    await cluster.assert_sound()


async def test_rescue_needs_a_version_and_volumes_in_use(cluster: Cluster) -> None:
    server_id = await volume_backed(cluster)
    path = f"/servers/{server_id}/action"
    status, answer = await cluster.request("POST", path, {"rescue": None}, version="2.86")
    assert status == 400, answer
    (volume_id,) = await volumes_of(cluster, server_id)
    await cluster.volumes.call(
        "POST", f"/volumes/{volume_id}/action", {"os-reset_status": {"status": "error"}}
    )
    status, answer = await cluster.request("POST", path, {"rescue": None}, version="2.87")
    assert status == 409, answer
    await cluster.volumes.call(
        "POST", f"/volumes/{volume_id}/action", {"os-reset_status": {"status": "in-use"}}
    )
    status, answer = await cluster.request("POST", path, {"rescue": None}, version="2.87")
    assert status == 200, answer
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "RESCUE", server


async def test_resize_to_a_flavor_without_a_disk(cluster: Cluster) -> None:
    flavor = {"name": "diskless", "id": "diskless", "ram": 512, "vcpus": 1, "disk": 0}
    status, body = await cluster.request("POST", "/flavors", {"flavor": flavor})
    assert status == 200, body
    server_id = await volume_backed(cluster)
    await cluster.action(server_id, {"resize": {"flavorRef": "diskless"}})
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "VERIFY_RESIZE", server
    await cluster.assert_sound()
    other = await running(cluster)
    await cluster.action(other, {"resize": {"flavorRef": "diskless"}}, 400)


async def test_a_disk_that_grows(cluster: Cluster) -> None:
    server_id = await volume_backed(cluster)
    (volume_id,) = await volumes_of(cluster, server_id)
    status, body = await cluster.volumes.call(
        "POST", f"/volumes/{volume_id}/action", {"os-extend": {"new_size": 3}}
    )
    assert status == 202, body
    event = {"name": "volume-extended", "server_uuid": server_id, "tag": volume_id}
    path = "/os-server-external-events"
    status, body = await cluster.request("POST", path, {"events": [event, event]})
    assert status == 200, body
    await cluster.settled(server_id)
    query = "select size from block_devices where volume_id = $1"
    assert await cluster.pool.fetchval(query, volume_id) == 3
    other = {**event, "tag": server_id}
    status, body = await cluster.request("POST", path, {"events": [other]})
    assert status == 200, "a volume that has gone meanwhile is nobody's mistake"
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert body["instanceActions"][0]["action"] == "extend_volume"
