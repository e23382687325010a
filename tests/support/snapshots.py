"""Snapshots of volumes that the volume service cannot make without the guest's host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.cluster import Cluster

PATH = "/os-assisted-volume-snapshots"


async def snapshot_under_way(cluster: Cluster, server_id: str, status: str) -> tuple[str, str]:
    """A volume that the server gets, and a snapshot of it that is `creating` or `deleting`."""
    volume_id = await cluster.volumes.make()
    body: Any = {"volumeAttachment": {"volumeId": volume_id}}
    path = f"/servers/{server_id}/os-volume_attachments"
    answered, answer = await cluster.request("POST", path, body, version="2.79")
    assert answered == 200, answer
    await cluster.settled(server_id)
    body = {"snapshot": {"volume_id": volume_id, "force": True}}
    answered, answer = await cluster.volumes.call("POST", "/snapshots", body)
    assert answered == 202, answer
    snapshot_id = str(answer["snapshot"]["id"])
    reset = {"os-reset_status": {"status": status, "progress": "0%"}}
    path = f"/snapshots/{snapshot_id}/action"
    answered, answer = await cluster.volumes.call("POST", path, reset)
    assert answered == 202, answer
    return volume_id, snapshot_id


async def ask_for_snapshot(cluster: Cluster, method: str, volume_id: str, snapshot_id: str) -> None:
    """What the volume service asks of compute: POST to make it, DELETE to delete it."""
    if method == "POST":
        info = {"snapshot_id": snapshot_id, "type": "qcow2", "new_file": "file-2"}
        body = {"snapshot": {"volume_id": volume_id, "create_info": info}}
        status, answer = await cluster.request("POST", PATH, body)
        assert status == 200, answer
    else:
        info = {"volume_id": volume_id, "file_to_merge": "file-2"}
        status, answer = await cluster.request(
            "DELETE", f"{PATH}/{snapshot_id}?delete_info={json.dumps(info)}"
        )
        assert status == 204, answer


async def shown_snapshot(cluster: Cluster, snapshot_id: str) -> tuple[str, str]:
    """Status and progress."""
    _, answer = await cluster.volumes.call("GET", f"/snapshots/{snapshot_id}")
    snapshot = answer["snapshot"]
    return snapshot["status"], snapshot["os-extended-snapshot-attributes:progress"]
