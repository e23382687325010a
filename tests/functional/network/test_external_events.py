"""What other services say about servers: a code for each event, and what it leads to."""

from __future__ import annotations

from typing import Any

from common.domain.states import PowerState
from tests.functional.network.conftest import Network
from tests.support.cluster import Cluster

UNKNOWN = "11111111-2222-3333-4444-555555555555"


async def send(
    cluster: Cluster, *events: dict[str, Any], version: str = "2.104", user: str = "admin"
) -> tuple[int, Any]:
    path = "/os-server-external-events"
    return await cluster.request("POST", path, {"events": events}, version=version, user=user)


async def test_each_event_has_its_code(network: Network, cluster: Cluster) -> None:
    server_id = await network.server()
    changed = {"name": "network-changed", "server_uuid": server_id}
    status, body = await send(cluster, changed)
    assert (status, body) == (200, {"events": [{**changed, "status": "completed", "code": 200}]})
    await cluster.action(server_id, {"shelve": None})
    await cluster.settled(server_id)
    status, body = await send(
        cluster,
        {"name": "network-vif-unplugged", "server_uuid": UNKNOWN, "tag": "x"},
        {"name": "volume-extended", "server_uuid": server_id, "tag": "x", "status": "failed"},
    )
    assert (status, [event["code"] for event in body["events"]]) == (207, [404, 422])
    other = await network.server()
    status, body = await send(
        cluster,
        {"name": "accelerator-request-bound", "server_uuid": other},
        {"name": "accelerator-request-bound", "server_uuid": other, "tag": "a"},
        {"name": "power-update", "server_uuid": other, "tag": "POWER_SIDEWAYS"},
        {"name": "volume-reimaged", "server_uuid": other, "tag": "v"},
    )
    assert (status, [e["code"] for e in body["events"]]) == (207, [400, 200, 400, 200])


async def test_kinds_come_with_versions(network: Network, cluster: Cluster) -> None:
    server_id = await network.server()
    for name, version in (
        ("volume-extended", 51),
        ("power-update", 76),
        ("accelerator-request-bound", 82),
        ("volume-reimaged", 93),
    ):
        event = {"name": name, "server_uuid": server_id, "tag": "POWER_ON"}
        assert (await send(cluster, event, version=f"2.{version - 1}"))[0] == 400, name
        assert (await send(cluster, event, version=f"2.{version}"))[0] == 200, name
    assert (await send(cluster, version="2.1"))[0] == 400
    assert (await send(cluster, {"name": "network-changed"}))[0] == 400


async def test_not_for_everybody(network: Network, cluster: Cluster) -> None:
    server_id = await network.server()
    event = {"name": "network-changed", "server_uuid": server_id}
    assert (await send(cluster, event, user="demo"))[0] == 403


async def driver_of(cluster: Cluster, server_id: str) -> Any:
    host = (await cluster.row(server_id))["host"]
    return cluster.members[host].service.agents[host].driver


async def test_a_server_follows_its_power_when_it_is_so(network: Network, cluster: Cluster) -> None:
    """An event that is not true changes nothing; both are recorded."""
    server_id = await network.server()
    off = {"name": "power-update", "server_uuid": server_id, "tag": "POWER_OFF"}
    on = {**off, "tag": "POWER_ON"}
    driver = await driver_of(cluster, server_id)
    generation = (await cluster.row(server_id))["generation"]
    for event, truth, status in (
        (off, None, "ACTIVE"),
        (off, "power_off", "SHUTOFF"),
        (on, None, "SHUTOFF"),
        (on, "power_on", "ACTIVE"),
    ):
        driver.on_guest_event = None
        if truth is not None:
            await getattr(driver, truth)(server_id, generation)
        assert (await send(cluster, event))[0] == 200
        server = await cluster.settled(server_id)
        assert server is not None
        assert server["status"] == status, (event, truth)
    assert (await cluster.row(server_id))["power_state"] == PowerState.RUNNING
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    recorded = [action["action"] for action in body["instanceActions"]]
    assert recorded[-1] == "create"
    assert {"start", "stop"} <= set(recorded)
