"""Hypervisors over HTTP, at the versions that differ."""

from __future__ import annotations

import datetime as dt
import re
from uuid import uuid4

import pytest

from tests.functional.api.conftest import Deployment

UPTIME = r"\d\d:\d\d:\d\d up 1 day, 1:00:\d\d"
HOSTS = ("alpha-1", "alpha-2", "beta-1")


@pytest.fixture(scope="module")
async def servers(deployment: Deployment) -> dict[str, str]:
    """Host to the server on it."""
    for host in HOSTS:
        await deployment.add_host(host)
    return {host: await deployment.add_server("demo", host) for host in HOSTS[:2]}


async def _id(deployment: Deployment, host: str, v: int) -> str:
    nodes = (await deployment.call("GET", "/os-hypervisors", v=v)).body["hypervisors"]
    return str(next(node["id"] for node in nodes if node["hypervisor_hostname"] == host))


@pytest.mark.usefixtures("servers")
async def test_sizes_until_2_87(deployment: Deployment) -> None:
    node_id = await _id(deployment, "alpha-1", 87)
    node = (await deployment.call("GET", f"/os-hypervisors/{node_id}", v=87)).body["hypervisor"]
    assert (node["memory_mb"], node["memory_mb_used"], node["free_ram_mb"]) == (16384, 512, 15872)
    assert (node["local_gb"], node["free_disk_gb"], node["vcpus"]) == (100, 100, 8)
    assert node["cpu_info"] == {"arch": "x86_64"}
    node = (await deployment.call("GET", f"/os-hypervisors/{node_id}", v=88)).body["hypervisor"]
    assert "vcpus" not in node
    assert re.fullmatch(UPTIME, node["uptime"])


@pytest.mark.usefixtures("servers")
async def test_numbers_and_text_cpu_info_in_old_versions(deployment: Deployment) -> None:
    node_id = await _id(deployment, "alpha-1", 27)
    assert node_id.isdigit()
    node = (await deployment.call("GET", f"/os-hypervisors/{node_id}", v=27)).body["hypervisor"]
    assert node["cpu_info"] == '{"arch":"x86_64"}'
    assert isinstance(node["service"]["id"], int)


async def test_servers(deployment: Deployment, servers: dict[str, str]) -> None:
    answer = await deployment.call("GET", "/os-hypervisors/alpha/servers", v=52)
    shown = {n["hypervisor_hostname"]: n.get("servers") for n in answer.body["hypervisors"]}
    assert shown == {host: [{"uuid": servers[host], "name": "s"}] for host in HOSTS[:2]}
    answer = await deployment.call("GET", "/os-hypervisors?with_servers=1", v=74)
    assert "servers" not in answer.body["hypervisors"][2]
    answer = await deployment.call("GET", "/os-hypervisors?with_servers=1", v=75)
    assert answer.body["hypervisors"][2]["servers"] == []
    answer = await deployment.call("GET", "/os-hypervisors", v=75)
    assert "servers" not in answer.body["hypervisors"][0]


@pytest.mark.usefixtures("servers")
async def test_search_and_pattern(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/os-hypervisors/alpha/search", v=1)
    assert len(answer.body["hypervisors"]) == 2
    answer = await deployment.call("GET", "/os-hypervisors/gamma/search", v=1)
    assert (answer.status, answer.fault()) == (
        404,
        "No hypervisor matching 'gamma' could be found.",
    )
    path = "/os-hypervisors/detail?hypervisor_hostname_pattern="
    assert len((await deployment.call("GET", f"{path}beta")).body["hypervisors"]) == 1
    assert (await deployment.call("GET", f"{path}gamma")).status == 404
    assert (await deployment.call("GET", f"{path}beta&limit=1")).status == 400


@pytest.mark.usefixtures("servers")
async def test_paging(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/os-hypervisors?limit=2")
    assert [n["hypervisor_hostname"] for n in answer.body["hypervisors"]] == list(HOSTS[:2])
    href = answer.body["hypervisors_links"][0]["href"]
    answer = await deployment.call("GET", href.removeprefix(f"{deployment.base_url}/v2.1"))
    assert [n["hypervisor_hostname"] for n in answer.body["hypervisors"]] == ["beta-1"]
    assert "hypervisors_links" not in answer.body
    for marker in ("1", str(uuid4()), "x"):
        assert (await deployment.call("GET", f"/os-hypervisors?marker={marker}")).status == 400
    assert (await deployment.call("GET", "/os-hypervisors?marker=99999", v=33)).status == 400
    answer = await deployment.call("GET", "/os-hypervisors?limit=1", v=32)
    assert len(answer.body["hypervisors"]) == 3


async def test_unknown_ids(deployment: Deployment) -> None:
    for bad, v in ((str(uuid4()), 53), ("1", 53), ("x", 53), ("99999", 52), ("x", 52)):
        assert (await deployment.call("GET", f"/os-hypervisors/{bad}", v=v)).status == 404


@pytest.mark.usefixtures("servers")
async def test_statistics(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/os-hypervisors/statistics", v=87)
    sums = answer.body["hypervisor_statistics"]
    assert (sums["count"], sums["vcpus"], sums["memory_mb_used"]) == (3, 24, 1536)


async def test_running_vms_are_servers_with_a_place(deployment: Deployment) -> None:
    """Stopped ones too, as in Nova; not those that are gone or have left their host."""
    await deployment.pool.execute("delete from servers")
    await deployment.add_server("demo", "beta-1", vm_state="stopped")
    await deployment.add_server("demo", "beta-1", task_state="rebooting")
    await deployment.add_server("demo", None, vm_state="shelved_offloaded")
    await deployment.add_server(
        "demo", "beta-1", vm_state="deleted", deleted_at=dt.datetime.now(dt.UTC)
    )
    answer = await deployment.call("GET", "/os-hypervisors/statistics", v=87)
    sums = answer.body["hypervisor_statistics"]
    assert (sums["running_vms"], sums["current_workload"], sums["count"]) == (2, 1, 3)
    nodes = (await deployment.call("GET", "/os-hypervisors/detail", v=87)).body["hypervisors"]
    counted = {n["hypervisor_hostname"]: (n["running_vms"], n["current_workload"]) for n in nodes}
    assert counted["beta-1"] == (2, 1)
    assert sum(running for running, _ in counted.values()) == 2


@pytest.mark.usefixtures("servers")
async def test_uptime(deployment: Deployment) -> None:
    node_id = await _id(deployment, "beta-1", 52)
    path = f"/os-hypervisors/{node_id}/uptime"
    answer = await deployment.call("GET", path, v=52)
    assert re.fullmatch(UPTIME, answer.body["hypervisor"]["uptime"])
    await deployment.pool.execute("update compute_nodes set booted_at = null where host = 'beta-1'")
    assert (await deployment.call("GET", path, v=52)).status == 501
    await deployment.pool.execute("update services set forced_down = true where host = 'beta-1'")
    assert (await deployment.call("GET", path, v=52)).status == 400
    await deployment.pool.execute("update compute_nodes set booted_at = now()")
    node_id = await _id(deployment, "beta-1", 88)
    node = (await deployment.call("GET", f"/os-hypervisors/{node_id}", v=88)).body["hypervisor"]
    assert node["uptime"] is None, "of a host that is down nobody knows it"
    assert (await deployment.call("GET", path, v=88)).status == 404


async def test_no_aggregates_is_an_answer(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/os-aggregates")
    assert (answer.status, answer.body) == (200, {"aggregates": []})
