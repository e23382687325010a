"""What is changed at the network service shows on the server: at once when it says so."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from common.db.stores import server_actions
from common.db.stores.server_actions import Requester
from services.compute.faults import Effect, FaultRule
from services.conductor.addresses import DETACH_GONE
from tests.functional.network.conftest import Network
from tests.support.cluster import Cluster


@pytest.fixture(scope="module")
async def public(cluster: Cluster) -> str:
    """The external network; the private one is joined to it by a router."""
    return await cluster.network_id("public")


async def shows(network: Network, server_id: str, address: str, kind: str = "floating") -> None:
    async def shown() -> bool:
        return address in await network.addresses(server_id, kind)

    await network.until(shown, f"{address} to show")


async def hides(network: Network, server_id: str, address: str, kind: str = "floating") -> None:
    async def hidden() -> bool:
        return address not in await network.addresses(server_id, kind)

    await network.until(hidden, f"{address} to be gone")


async def test_floating_ips_by_event(network: Network, cluster: Cluster, public: str) -> None:
    server_id = await network.server()
    updated = (await cluster.row(server_id))["updated_at"]
    (port,) = await network.ports_of(server_id)
    made = await network.made("floatingip", floating_network_id=public, port_id=port["id"])
    address = made["floating_ip_address"]
    await shows(network, server_id, address)
    _, body = await cluster.request("GET", f"/servers/{server_id}/ips")
    assert address in str(body)
    assert (await cluster.row(server_id))["updated_at"] == updated
    await network.changed("floatingip", made["id"], port_id=None)
    await hides(network, server_id, address)
    await network.call("DELETE", f"/floatingips/{made['id']}")


async def test_fixed_ips_and_groups_by_event(network: Network, cluster: Cluster) -> None:
    server_id = await network.server()
    (port,) = await network.ports_of(server_id)
    subnet = port["fixed_ips"][0]["subnet_id"]
    group = await network.made("security_group", name="web", project_id=port["project_id"])
    fixed = [{"subnet_id": subnet, "ip_address": "10.0.0.88"}]
    await network.changed("port", port["id"], fixed_ips=fixed, security_groups=[group["id"]])
    await shows(network, server_id, "10.0.0.88", "fixed")
    assert await network.addresses(server_id) == ["10.0.0.88"]
    server = await cluster.server(server_id)
    assert server is not None
    assert server["security_groups"] == [{"name": "web"}]
    _, body = await cluster.request("GET", "/servers?ip=10.0.0.88")
    assert [each["id"] for each in body["servers"]] == [server_id]
    status, _ = await cluster.request("DELETE", f"/servers/{server_id}")
    assert status == 204
    assert await cluster.settled(server_id) is None
    assert (await network.call("DELETE", f"/security-groups/{group['id']}"))[0] == 204


async def test_a_port_that_is_deleted_takes_its_interface_along(
    network: Network, cluster: Cluster
) -> None:
    port = await network.port(name="brought")
    server_id = await network.server(networks=[{"port": port["id"]}])
    assert await network.guest_ports(server_id) == [port["id"]]
    assert (await network.call("DELETE", f"/ports/{port['id']}"))[0] == 204

    async def gone() -> bool:
        return not await network.guest_ports(server_id)

    await network.until(gone, "the interface to be gone")
    await cluster.settled(server_id)
    assert await network.addresses(server_id) == []
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert body["instanceActions"][0]["action"] == "detach_interface"


async def test_a_port_that_is_there_after_all_stays(network: Network, cluster: Cluster) -> None:
    """The workflow does not believe whoever began it."""
    server_id = await network.server()
    (port,) = await network.ports_of(server_id)
    await server_actions.begin_action(
        cluster.pool,
        UUID(server_id),
        DETACH_GONE,
        state={"port_id": port["id"], "gone": True},
        requester=Requester(f"req-{uuid4()}", None, None),
        deadline_s=60,
    )
    await cluster.settled(server_id)
    assert await network.guest_ports(server_id) == [port["id"]]
    assert len(await network.ports_of(server_id)) == 1


async def test_a_lost_port_of_a_guest_that_cannot_let_go(
    network: Network, cluster: Cluster
) -> None:
    """It is tried again by whoever works off leftovers, not with every word about the server."""
    server_id = await network.server()
    host = (await cluster.row(server_id))["host"]
    faults = cluster.members[host].service.agents[host].driver.faults
    rule = faults.add(FaultRule(effect=Effect.ERROR, verb="detach_interface"))
    (port,) = await network.ports_of(server_id)
    assert (await network.call("DELETE", f"/ports/{port['id']}"))[0] == 204

    async def tried() -> bool:
        return bool(faults.fired(rule.id))

    await network.until(tried, "the host to be asked")
    event = {"name": "network-changed", "server_uuid": server_id}
    for _ in range(3):
        await cluster.request("POST", "/os-server-external-events", {"events": [event]})
    assert await cluster.pool.fetchval("select count(*) from leftovers") == 1
    faults.clear(rule.id)

    async def gone() -> bool:
        return not await network.guest_ports(server_id)

    await network.until(gone, "the interface to be gone")
    await cluster.settled(server_id)
    assert await network.addresses(server_id) == []


async def test_a_group_given_by_id_shows_by_name(network: Network, cluster: Cluster) -> None:
    group = await network.made("security_group", name="by-id")
    server_id = await network.server(security_groups=[{"name": group["id"]}])
    server = await cluster.server(server_id)
    assert server is not None
    assert server["security_groups"] == [{"name": "by-id"}]
    port = await network.port(security_groups=[group["id"]])
    brought = await network.server(networks=[{"port": port["id"]}])
    server = await cluster.server(brought)
    assert server is not None
    assert server["security_groups"] == [{"name": "by-id"}]
    for each in (server_id, brought):
        await cluster.request("DELETE", f"/servers/{each}")
        assert await cluster.settled(each) is None
    await network.call("DELETE", f"/ports/{port['id']}")
    await network.call("DELETE", f"/security-groups/{group['id']}")


async def action(cluster: Cluster, server_id: str, **body: Any) -> tuple[int, Any]:
    path = f"/servers/{server_id}/action"
    return await cluster.request("POST", path, body, version="2.43")


async def test_floating_ip_actions(network: Network, cluster: Cluster, public: str) -> None:
    server_id, bare = await network.server(), await network.server(networks="none")
    made = await network.made("floatingip", floating_network_id=public)
    address = made["floating_ip_address"]
    (fixed,) = await network.addresses(server_id)
    for server, body, code in (
        (server_id, {"address": "192.0.2.9"}, 404),
        (server_id, {"address": address, "fixed_address": "10.0.0.250"}, 400),
        (bare, {"address": address}, 400),
    ):
        assert (await action(cluster, server, addFloatingIp=body))[0] == code
    assert (await action(cluster, server_id, removeFloatingIp={"address": address}))[0] == 409
    asked = {"address": address, "fixed_address": fixed}
    assert (await action(cluster, server_id, addFloatingIp=asked))[0] == 202
    await shows(network, server_id, address)
    assert (await action(cluster, bare, removeFloatingIp={"address": address}))[0] == 409
    assert (await action(cluster, server_id, removeFloatingIp={"address": address}))[0] == 202
    await hides(network, server_id, address)
    status, _ = await cluster.request(
        "POST", f"/servers/{server_id}/action", {"addFloatingIp": asked}, version="2.44"
    )
    assert status == 404
    await network.call("DELETE", f"/floatingips/{made['id']}")


async def test_fixed_ip_actions(network: Network, cluster: Cluster) -> None:
    server_id, net_id = await network.server(), await cluster.network_id()
    (first,) = await network.addresses(server_id)
    assert (await action(cluster, server_id, addFixedIp={"networkId": net_id}))[0] == 202

    async def two() -> bool:
        return len(await network.addresses(server_id)) == 2

    await network.until(two, "the second address")
    assert (await action(cluster, server_id, removeFixedIp={"address": first}))[0] == 202
    await hides(network, server_id, first, "fixed")
    assert (await action(cluster, server_id, removeFixedIp={"address": first}))[0] == 400
    public = await cluster.network_id("public")
    assert (await action(cluster, server_id, addFixedIp={"networkId": public}))[0] == 404
    await cluster.action(server_id, {"lock": None})
    status, _ = await cluster.request(
        "POST", f"/servers/{server_id}/action", {"addFixedIp": {"networkId": net_id}},
        user="demo", version="2.1",
    )  # fmt: skip
    assert status == 404
