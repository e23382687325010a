"""A build waits until its ports carry traffic, and not longer than it is told to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.network.conftest import NEVER_BY_ITSELF, Network
from tests.support.cluster import Cluster

UP_AFTER_S = 0.7
PATIENT = {"vif_plugging_look_s": 30.0}
"""It waits for the event, and does not look in between."""


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {
        "network": {**NEVER_BY_ITSELF["network"], **PATIENT},
        "standins": {"port_up_delay_s": UP_AFTER_S},
    }


async def restarted(cluster: Cluster, **network: Any) -> None:
    await cluster.stop_member("conductor")
    cluster.overrides = {**cluster.overrides, "network": {**NEVER_BY_ITSELF["network"], **network}}
    await cluster.start_conductor()


async def build(network: Network, cluster: Cluster, **fields: Any) -> tuple[dict[str, Any], float]:
    """The server, and how long it took."""
    server_id = await cluster.create_server(**fields)
    shown = await cluster.settled(server_id, 20)
    assert shown is not None
    row = await cluster.row(server_id)
    took = (row["launched_at"] or row["updated_at"]) - row["created_at"]
    return shown, took.total_seconds()


async def test_the_event_ends_the_waiting(network: Network, cluster: Cluster) -> None:
    server, took_s = await build(network, cluster)
    assert server["status"] == "ACTIVE"
    assert UP_AFTER_S <= took_s < 10


async def test_without_ports_nothing_is_waited_for(network: Network, cluster: Cluster) -> None:
    server, took_s = await build(network, cluster, networks="none")
    assert (server["status"], took_s < UP_AFTER_S) == ("ACTIVE", True)


async def test_a_lost_event_is_made_good_by_looking(network: Network, cluster: Cluster) -> None:
    await restarted(cluster, vif_plugging_look_s=0.2)
    heard = cluster.members["conductor"].service._deps.port_news
    heard.tell = lambda *_args, **_more: None
    server, _ = await build(network, cluster)
    assert server["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"vif_plugging_timeout_s": 0.2}, "ERROR"),
        ({"vif_plugging_timeout_s": 0.2, "vif_plugging_is_fatal": False}, "ACTIVE"),
        ({"vif_plugging_timeout_s": 0}, "ACTIVE"),
    ],
)
async def test_the_policy(
    network: Network, cluster: Cluster, settings: dict[str, Any], status: str
) -> None:
    await restarted(cluster, **PATIENT, **settings)
    server, took_s = await build(network, cluster)
    assert server["status"] == status
    if status == "ERROR":
        assert "Failed to allocate the network(s)" in server["fault"]["message"]
        assert await network.ports_of(server["id"]) == []
        assert server["id"] not in await cluster.guests()
    assert took_s < UP_AFTER_S


async def test_a_failed_port_ends_the_waiting(network: Network, cluster: Cluster) -> None:
    await restarted(cluster, **PATIENT)
    server_id = await cluster.create_server()

    async def waits() -> bool:
        return server_id in await cluster.guests()

    await network.until(waits, "the guest to be made")
    (port,) = await network.ports_of(server_id)
    event = {
        "name": "network-vif-plugged",
        "server_uuid": server_id,
        "tag": port["id"],
        "status": "failed",
    }
    status, body = await cluster.request("POST", "/os-server-external-events", {"events": [event]})
    assert (status, body["events"]) == (200, [{**event, "code": 200}])
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "ERROR"
    assert "cannot be plugged" in server["fault"]["message"]
