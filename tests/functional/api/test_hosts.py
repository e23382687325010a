"""Hosts as they were shown until 2.42."""

from __future__ import annotations

from typing import Any

from tests.functional.api.conftest import Answer, Deployment


async def call(
    deployment: Deployment, path: str = "", method: str = "GET", body: Any = None, v: int = 42
) -> Answer:
    return await deployment.call(method, f"/os-hosts{path}", body, v=v)


async def test_list(deployment: Deployment) -> None:
    await deployment.add_host("list-1")
    await deployment.add_host("list-2", binary="nova-conductor")

    async def listed(query: str = "") -> list[tuple[str, str, str]]:
        hosts = (await call(deployment, query)).body["hosts"]
        return [(each["host_name"], each["service"], each["zone"]) for each in hosts]

    both = {("list-1", "compute", "nova"), ("list-2", "conductor", "internal")}
    assert both <= set(await listed())
    assert ("list-2", "conductor", "internal") not in await listed("?zone=nova")
    assert await listed("?zone=mars") == []
    assert both <= set(await listed("?zone="))


async def test_what_a_host_has_and_who_uses_it(deployment: Deployment) -> None:
    await deployment.add_host("show-1")
    server = await deployment.add_server("demo", "show-1")
    await deployment.pool.execute(
        "insert into allocations (server_uuid, host, vcpus, memory_mib, disk_gib)"
        " values ($1, 'show-1', 2, 1024, 20)",
        server,
    )
    await deployment.pool.execute(
        "update compute_nodes set vcpus_used = 2, memory_mib_used = 1024, disk_gib_used = 20"
        " where host = 'show-1'"
    )
    rows = [each["resource"] for each in (await call(deployment, "/show-1")).body["host"]]
    sizes = {row["project"]: (row["cpu"], row["memory_mb"], row["disk_gb"]) for row in rows}
    assert sizes == {
        "(total)": (8, 16384, 100),
        "(used_now)": (2, 1536, 20),
        "(used_max)": (2, 1024, 20),
        deployment.projects["demo"]: (2, 1024, 20),
    }
    assert {row["host"] for row in rows} == {"show-1"}
    assert (await call(deployment, "/nowhere")).status == 404


async def test_enable_and_disable(deployment: Deployment) -> None:
    await deployment.add_host("able-1")
    for word, status in (("Disable", "disabled"), ("enable", "enabled")):
        answer = await call(deployment, "/able-1", "PUT", {"status": word})
        assert (answer.status, answer.body) == (200, {"host": "able-1", "status": status})
        services = (await deployment.call("GET", "/os-services?host=able-1")).body["services"]
        assert services[0]["status"] == status
    assert (await call(deployment, "/able-1", "PUT", {"status": "off"})).status == 400
    assert (await call(deployment, "/able-1", "PUT", {})).status == 400
    assert (await call(deployment, "/nowhere", "PUT", {"status": "enable"})).status == 404


async def test_what_no_driver_does(deployment: Deployment) -> None:
    await deployment.add_host("power-1")
    mode = {"maintenance_mode": "enable"}
    assert (await call(deployment, "/power-1", "PUT", mode)).status == 501
    for verb in ("reboot", "shutdown", "startup"):
        assert (await call(deployment, f"/power-1/{verb}")).status == 501
        assert (await call(deployment, f"/nowhere/{verb}")).status == 404


async def test_gone_from_2_43(deployment: Deployment) -> None:
    assert (await call(deployment, v=43)).status == 404
