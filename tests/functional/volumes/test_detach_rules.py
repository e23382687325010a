"""Nobody but Muster takes a volume away from under a guest, whatever way they try."""

from __future__ import annotations

from typing import Any

from tests.functional.volumes.support import detach, with_volume
from tests.support.cluster import Cluster


async def test_only_a_service_ends_an_attachment_in_use(cluster: Cluster) -> None:
    server_id, volume_id = await with_volume(cluster)
    (attached,) = (await cluster.volumes.show(volume_id))["attachments"]
    attachment = f"/attachments/{attached['attachment_id']}"
    action = f"/volumes/{volume_id}/action"
    terminate: Any = {"os-terminate_connection": {"connector": {"host": "h"}}}
    for method, path, body in (
        ("DELETE", attachment, None),
        ("POST", action, {"os-detach": {}}),
        ("POST", action, {"os-force_detach": {"attachment_id": attached["attachment_id"]}}),
        ("POST", action, terminate),
    ):
        status, answer = await cluster.volumes.call(method, path, body)
        assert status == 409, answer
        assert server_id in answer["conflictingRequest"]["message"]
    assert await cluster.volumes.status(volume_id) == "in-use"
    assert (await detach(cluster, server_id, volume_id))[0] == 202
    await cluster.settled(server_id)
    assert await cluster.volumes.status(volume_id) == "available"
