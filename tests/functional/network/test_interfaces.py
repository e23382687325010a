"""Interfaces come and go while a server is there; port and interface always together."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from common.db.stores import leftovers
from common.db.stores.commit import Leftover
from services.compute.faults import Effect, FaultRule
from services.conductor.reconcilers.clean_leftovers import CLEANERS
from tests.functional.network.conftest import Network
from tests.support.cluster import Cluster
from tests.support.wait import wait_for


async def test_by_network_with_address_and_tag(network: Network, cluster: Cluster) -> None:
    server_id = await network.server()
    net_id = await cluster.network_id()
    status, body = await network.attach(
        server_id, net_id=net_id, fixed_ips=[{"ip_address": "10.0.0.77"}], tag="storage"
    )
    assert status == 200, body
    made = body["interfaceAttachment"]
    (fixed,) = made["fixed_ips"]
    assert (made["net_id"], made["tag"], fixed["ip_address"]) == (net_id, "storage", "10.0.0.77")
    assert made["port_state"] == "ACTIVE"
    listed = {each["port_id"]: each for each in await network.interfaces(server_id)}
    assert listed[made["port_id"]] == made
    assert len(listed) == 2
    assert await network.guest_ports(server_id) == [
        *(listed.keys() - {made["port_id"]}),
        made["port_id"],
    ]
    assert "10.0.0.77" in await network.addresses(server_id)
    _, old = await cluster.request(
        "GET", f"/servers/{server_id}/os-interface/{made['port_id']}", version="2.69"
    )
    assert "tag" not in old["interfaceAttachment"]

    async def once_a_port() -> bool:
        server = await cluster.server(server_id)
        return server is not None and server["security_groups"] == [{"name": "default"}] * 2

    await network.until(once_a_port, "the group to show for both ports")
    await cluster.assert_sound()


async def test_a_port_that_the_user_brings_outlives_its_attachment(
    network: Network, cluster: Cluster
) -> None:
    server_id, port = await network.server(), await network.port(name="mine")
    status, body = await network.attach(server_id, port_id=port["id"], version="2.48")
    assert status == 200, body
    assert body["interfaceAttachment"]["port_id"] == port["id"]
    status, again = await network.attach(server_id, port_id=port["id"])
    assert (status, "in use" in again["conflictingRequest"]["message"]) == (409, True)
    path = f"/servers/{server_id}/os-interface/{port['id']}"
    assert (await cluster.request("DELETE", path))[0] == 202
    await cluster.settled(server_id)
    (left,) = (await cluster.network(f"/ports?id={port['id']}"))["ports"]
    assert (left["device_id"], left["binding:host_id"]) == ("", "")
    assert port["id"] not in await network.guest_ports(server_id)
    assert (await cluster.request("DELETE", path))[0] == 404
    assert (await network.call("DELETE", f"/ports/{port['id']}"))[0] == 204
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert [a["action"] for a in body["instanceActions"]] == [
        "detach_interface", "attach_interface", "create"
    ]  # fmt: skip
    shown = body["instanceActions"][1]["request_id"]
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions/{shown}")
    (event,) = body["instanceAction"]["events"]
    assert (event["event"], event["result"]) == ("compute_attach_interface", "Success")


async def test_a_port_made_for_it_goes_with_its_interface(
    network: Network, cluster: Cluster
) -> None:
    server_id = await network.server(networks="none")
    status, body = await network.attach(server_id, net_id=await cluster.network_id())
    assert status == 200, body
    port_id = body["interfaceAttachment"]["port_id"]
    status, _ = await cluster.request("DELETE", f"/servers/{server_id}/os-interface/{port_id}")
    assert status == 202
    await cluster.settled(server_id)
    assert await network.ports_of(server_id) == []
    assert await network.guest_ports(server_id) == []
    assert await network.addresses(server_id) == []
    assert (await network.call("GET", f"/ports/{port_id}"))[0] == 404


@pytest.mark.parametrize("state", ["pause", "os-stop"])
async def test_in_other_states(network: Network, cluster: Cluster, state: str) -> None:
    server_id = await network.server()
    await cluster.action(server_id, {state: None})
    await cluster.settled(server_id)
    status, body = await network.attach(server_id, net_id=await cluster.network_id())
    assert status == 200, body
    assert len(await network.guest_ports(server_id)) == 2
    await cluster.assert_sound()


async def test_refusals(network: Network, cluster: Cluster) -> None:
    server_id = await network.server()
    net_id, public = await cluster.network_id(), await cluster.network_id("public")
    unknown = "11111111-2222-3333-4444-555555555555"
    foreign = await network.made("port", user="demo", network_id=net_id)
    (own,) = await network.ports_of(server_id)
    taken = own["fixed_ips"][0]["ip_address"]
    cases: list[tuple[dict[str, Any], int]] = [
        ({"net_id": net_id, "port_id": unknown}, 400),
        ({"fixed_ips": [{"ip_address": "10.0.0.9"}]}, 400),
        ({"net_id": unknown}, 404),
        ({"port_id": unknown}, 404),
        ({"port_id": own["id"]}, 409),
        ({"port_id": foreign["id"]}, 400),
        ({"net_id": net_id, "fixed_ips": [{"ip_address": taken}]}, 409),
        ({"net_id": net_id, "fixed_ips": [{"ip_address": "192.0.2.1"}]}, 400),
    ]
    for asked, code in cases:
        status, body = await network.attach(server_id, **asked)
        assert status == code, (asked, body)
    assert (await network.attach(server_id, net_id=net_id, tag="x", version="2.48"))[0] == 400
    demos = await cluster.create_server(user="demo")
    await cluster.settled(demos)
    assert (await network.attach(demos, user="demo", net_id=public))[0] == 403
    assert (await network.attach(server_id, user="demo", net_id=net_id))[0] == 404
    path = f"/servers/{server_id}/os-interface/"
    for port_id in (unknown, foreign["id"]):
        assert (await cluster.request("GET", path + port_id))[0] == 404
        assert (await cluster.request("DELETE", path + port_id))[0] == 404
    await cluster.action(server_id, {"suspend": None})
    await cluster.settled(server_id)
    status, body = await network.attach(server_id, net_id=net_id)
    assert status == 409
    assert body["conflictingRequest"]["message"].startswith("Cannot 'attach_interface' instance")
    assert len(await network.ports_of(server_id)) == 1
    assert (await network.call("DELETE", f"/ports/{foreign['id']}"))[0] == 204


async def test_a_host_that_cannot_leaves_nothing(network: Network, cluster: Cluster) -> None:
    server_id = await network.server()
    host = (await cluster.row(server_id))["host"]
    faults = cluster.members[host].service.agents[host].driver.faults
    faults.add(FaultRule(effect=Effect.ERROR, verb="attach_interface", count=1, message="no slot"))
    status, body = await network.attach(server_id, net_id=await cluster.network_id())
    assert (status, body["computeFault"]["message"]) == (500, "no slot")
    assert len(await network.ports_of(server_id)) == 1
    assert len(await network.guest_ports(server_id)) == 1
    await cluster.assert_sound()


async def test_what_a_silent_host_has_done_is_undone_when_it_is_back(
    network: Network, cluster: Cluster
) -> None:
    """It has attached, and dies before it can say so."""
    server_id = await network.server()
    host = (await cluster.row(server_id))["host"]
    faults = cluster.members[host].service.agents[host].driver.faults
    faults.add(FaultRule(effect=Effect.LOST_REPLY, verb="attach_interface"))

    async def attached() -> bool:
        return len(await network.guest_ports(server_id)) == 2

    net_id = await cluster.network_id()
    task = asyncio.ensure_future(network.attach(server_id, net_id=net_id))
    await wait_for(attached, 5, "the guest to have the interface")
    await cluster.kill(host)
    query = f"/os-services?host={host}&binary=nova-compute"
    service = (await cluster.request("GET", query))[1]["services"][0]["id"]
    await cluster.request("PUT", f"/os-services/{service}", {"forced_down": True})
    status, body = await task
    assert status == 503, body
    assert await cluster.pool.fetchval("select kind from leftovers") == "interface"
    await cluster.start_host(host)
    await cluster.request("PUT", f"/os-services/{service}", {"forced_down": False})

    async def undone() -> bool:
        return len(await network.guest_ports(server_id)) == 1

    await wait_for(undone, 15, "the interface to be gone")
    await cluster.settled(server_id)
    await cluster.assert_sound()


async def test_cleaning_up_leaves_a_port_alone_that_is_being_attached(
    cluster: Cluster, network: Network
) -> None:
    """The row was taken while the server was at rest; a workflow has come since."""
    server_id, conductor = await network.server(), cluster.members["conductor"].service
    left = Leftover("ports", {}, "")
    await leftovers.add(cluster.pool, UUID(server_id), "req-x", [left])
    (row,) = await leftovers.listing(cluster.pool)
    await leftovers.done(cluster.pool, row.id)
    await network.port(device_id=server_id)
    await cluster.pool.execute(
        "insert into workflows (kind, server_uuid, request_id, deadline_at, lease_expires_at)"
        " values ('attach_interface', $1::uuid, 'req-y', 'infinity', 'infinity')",
        server_id,
    )
    assert not await CLEANERS["ports"](conductor._deps, row)
    assert len(await network.ports_of(server_id)) == 2
    await cluster.pool.execute("delete from workflows where request_id = 'req-y'")
    assert await CLEANERS["ports"](conductor._deps, row)
    assert len(await network.ports_of(server_id)) == 1


async def test_a_port_of_another_project_is_not_its_whatever_it_says(
    network: Network, cluster: Cluster
) -> None:
    server_id = await network.server(networks="none")
    net_id = await cluster.network_id()
    named = {"device_id": server_id, "device_owner": "compute:nova"}
    port = await network.made("port", user="demo", network_id=net_id, **named)
    assert await network.interfaces(server_id) == []
    path = f"/servers/{server_id}/os-interface/{port['id']}"
    assert (await cluster.request("GET", path))[0] == 404
    status, body = await cluster.request("GET", f"/servers/{server_id}/os-security-groups")
    assert (status, body) == (200, {"security_groups": []})
    assert (await network.call("DELETE", f"/ports/{port['id']}"))[0] == 204


async def test_servers_do_not_take_ports_of_other_projects(
    network: Network, cluster: Cluster
) -> None:
    port = await network.made("port", user="demo", network_id=await cluster.network_id())
    asked = {"name": "s", "flavorRef": "1", "imageRef": await cluster.image_id()}
    server = {**asked, "networks": [{"port": port["id"]}]}
    status, body = await cluster.request("POST", "/servers", {"server": server})
    assert (status, "not usable" in str(body)) == (400, True)
    status, body = await network.attach(await network.server(), port_id=port["id"])
    assert (status, "not usable" in str(body)) == (400, True)
    assert (await network.call("DELETE", f"/ports/{port['id']}"))[0] == 204


@pytest.mark.parametrize("port_id", ["..%2Fnetworks", "%2E%2E", "%2E", "{}%3Ffields=id", "%00"])
async def test_an_id_leads_nowhere_else(network: Network, cluster: Cluster, port_id: str) -> None:
    server_id = await network.server()
    (port,) = await network.ports_of(server_id)
    path = f"/servers/{server_id}/os-interface/{port_id.format(port['id'])}"
    status, _ = await cluster.request("GET", path)
    assert status == 404
