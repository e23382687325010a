"""The volume service asks for snapshots, and hears how it went."""

from __future__ import annotations

import pytest

from services.compute.faults import Effect, FaultRule
from tests.functional.volumes.support import running
from tests.support.cluster import Cluster
from tests.support.snapshots import ask_for_snapshot, shown_snapshot, snapshot_under_way


@pytest.mark.parametrize(("method", "status"), [("POST", "creating"), ("DELETE", "deleting")])
async def test_the_volume_service_hears_that_it_is_done(
    cluster: Cluster, method: str, status: str
) -> None:
    server_id = await running(cluster)
    volume_id, snapshot_id = await snapshot_under_way(cluster, server_id, status)
    await ask_for_snapshot(cluster, method, volume_id, snapshot_id)
    await cluster.settled(server_id)
    assert await shown_snapshot(cluster, snapshot_id) == (status, "90%")
    _, console = await cluster.request(
        "POST", f"/servers/{server_id}/action", {"os-getConsoleOutput": {}}
    )
    assert "storage: " in console["output"]


@pytest.mark.parametrize(
    ("method", "status", "broken"),
    [("POST", "creating", "error"), ("DELETE", "deleting", "error_deleting")],
)
async def test_the_volume_service_hears_that_it_failed(
    cluster: Cluster, method: str, status: str, broken: str
) -> None:
    server_id = await running(cluster)
    volume_id, snapshot_id = await snapshot_under_way(cluster, server_id, status)
    verb = "snapshot_volume" if method == "POST" else "delete_volume_snapshot"
    server = await cluster.server(server_id)
    assert server is not None
    faults = cluster.members[server["OS-EXT-SRV-ATTR:host"]].service.faults
    faults.add(FaultRule(verb=verb, count=1, effect=Effect.ERROR))
    await ask_for_snapshot(cluster, method, volume_id, snapshot_id)
    server = await cluster.settled(server_id)
    assert server is not None
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    assert (await shown_snapshot(cluster, snapshot_id))[0] == broken
