"""Every action from the request to what the server is in the end, with nothing replaced.

A whole cluster: API, conductor, scheduler, three simulated hosts, neighbours. After each test
claims, ports, guests and images must agree.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.cluster import Cluster, running_cluster
from tests.support.postgres import _named, execute
from tests.support.wait import wait_for

LATER = {"reclaim_instance_interval_s": 3600, "shelved_offload_time_s": -1}


@asynccontextmanager
async def deployed(
    server: str, template: str, scratch: Any, name: str, **overrides: Any
) -> AsyncIterator[Cluster]:
    await execute(server, f"create database {name} template {template}")
    async with running_cluster(_named(server, name), scratch, **overrides) as running:
        yield running
    await execute(server, f"drop database {name} with (force)")


@pytest.fixture(scope="module")
async def cluster(
    postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    scratch = tmp_path_factory.mktemp("lifecycles")
    async with deployed(postgres_server, template_database, scratch, "lifecycles") as running:
        yield running


@pytest.fixture(scope="module")
async def keeping(
    postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    """Keeps deleted servers for a while and shelved ones on their hosts."""
    scratch = tmp_path_factory.mktemp("keeping")
    async with deployed(
        postgres_server, template_database, scratch, "keeping", conductor=LATER
    ) as running:
        yield running


async def active(cluster: Cluster, **fields: Any) -> str:
    server_id = await cluster.create_server(**fields)
    await expect(cluster, server_id, "ACTIVE")
    return server_id


async def expect(cluster: Cluster, server_id: str, status: str | None) -> dict[str, Any]:
    """The server once nothing is done to it any more; its latest action went well."""
    server = await cluster.settled(server_id)
    assert (server and server["status"]) == status, server
    if server is None:
        return {}
    assert server["OS-EXT-STS:task_state"] is None
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert body["instanceActions"][0]["message"] is None, body
    return server


async def do(
    cluster: Cluster, server_id: str, action: str, argument: Any = None, *, code: int = 202,
    version: str = "2.96",
) -> Any:  # fmt: skip
    status, body = await cluster.request(
        "POST", f"/servers/{server_id}/action", {action: argument}, version=version
    )
    assert status == code, body
    return body


async def done(cluster: Cluster, server_id: str, verbs: list[tuple[str, Any, str]]) -> None:
    """Actions one after another, each with the status it leads to."""
    for action, argument, status in verbs:
        await do(cluster, server_id, action, argument)
        await expect(cluster, server_id, status)


async def events(cluster: Cluster, server_id: str) -> list[str]:
    """Events of the latest action."""
    path = f"/servers/{server_id}/os-instance-actions"
    _, body = await cluster.request("GET", path)
    request_id = body["instanceActions"][0]["request_id"]
    _, body = await cluster.request("GET", f"{path}/{request_id}")
    return [event["event"] for event in body["instanceAction"]["events"]]


async def gone(cluster: Cluster, server_id: str) -> None:
    status, body = await cluster.request(
        "POST", f"/servers/{server_id}/action", {"forceDelete": None}
    )
    assert status == 202, body
    await expect(cluster, server_id, None)
    await cluster.assert_sound()


async def images(cluster: Cluster, **filters: str) -> list[dict[str, Any]]:
    url = cluster.identity_url.removesuffix("/identity") + "/image/v2"
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    _, body = await cluster.request("GET", f"/images?{query}", url=url)
    return list(body["images"])


async def test_verbs_of_one_host(cluster: Cluster) -> None:
    server_id = await active(cluster)
    await done(
        cluster,
        server_id,
        [
            ("pause", None, "PAUSED"),
            ("unpause", None, "ACTIVE"),
            ("suspend", None, "SUSPENDED"),
            ("resume", None, "ACTIVE"),
            ("os-stop", None, "SHUTOFF"),
            ("os-start", None, "ACTIVE"),
            ("reboot", {"type": "SOFT"}, "ACTIVE"),
            ("trigger_crash_dump", None, "ACTIVE"),
            ("changePassword", {"adminPass": "s3cret"}, "ACTIVE"),
        ],
    )
    await gone(cluster, server_id)


async def test_rescue(cluster: Cluster) -> None:
    server_id, image = await active(cluster), await cluster.image_id()
    argument = {"rescue_image_ref": image, "adminPass": "pw"}
    assert await do(cluster, server_id, "rescue", argument, code=200) == {"adminPass": "pw"}
    await expect(cluster, server_id, "RESCUE")
    await do(cluster, server_id, "unrescue")
    await expect(cluster, server_id, "ACTIVE")
    await gone(cluster, server_id)


async def test_rebuild(cluster: Cluster) -> None:
    server_id = await active(cluster)
    before = await expect(cluster, server_id, "ACTIVE")
    argument = {"imageRef": await cluster.image_id(), "name": "again", "metadata": {"a": "b"}}
    await do(cluster, server_id, "rebuild", argument)
    after = await expect(cluster, server_id, "ACTIVE")
    assert (after["name"], after["metadata"]) == ("again", {"a": "b"})
    assert after["addresses"] == before["addresses"]
    assert sorted(await events(cluster, server_id)) == [
        "compute_rebuild_instance", "rebuild_server",
    ]  # fmt: skip
    await do(cluster, server_id, "os-stop")
    await expect(cluster, server_id, "SHUTOFF")
    await do(cluster, server_id, "rebuild", argument)
    await expect(cluster, server_id, "SHUTOFF")
    await gone(cluster, server_id)


@pytest.mark.parametrize(
    ("settle", "code", "flavor", "moved"),
    [("confirmResize", 204, "m1.small", True), ("revertResize", 202, "m1.tiny", False)],
)
async def test_resize(cluster: Cluster, settle: str, code: int, flavor: str, moved: bool) -> None:
    server_id = await active(cluster)
    source = (await cluster.row(server_id))["host"]
    await do(cluster, server_id, "resize", {"flavorRef": "2"})
    server = await expect(cluster, server_id, "VERIFY_RESIZE")
    assert server["flavor"]["original_name"] == "m1.small"
    await cluster.assert_sound()
    await do(cluster, server_id, settle, code=code)
    server = await expect(cluster, server_id, "ACTIVE")
    assert server["flavor"]["original_name"] == flavor
    assert (server["OS-EXT-SRV-ATTR:host"] != source) is moved
    _, body = await cluster.request("GET", f"/os-migrations?instance_uuid={server_id}")
    (migration,) = body["migrations"]
    assert migration["status"] == {"confirmResize": "confirmed", "revertResize": "reverted"}[settle]
    assert (migration["old_instance_type_id"], migration["new_instance_type_id"]) != (None, None)
    await do(cluster, server_id, settle, code=409)
    await gone(cluster, server_id)


async def test_resize_of_a_stopped_server_leaves_it_stopped(cluster: Cluster) -> None:
    server_id = await active(cluster)
    for settle, code in (("revertResize", 202), ("confirmResize", 204)):
        if settle == "revertResize":
            await do(cluster, server_id, "os-stop")
            await expect(cluster, server_id, "SHUTOFF")
        await do(cluster, server_id, "resize", {"flavorRef": "2"})
        await expect(cluster, server_id, "VERIFY_RESIZE")
        await do(cluster, server_id, settle, code=code)
        await expect(cluster, server_id, "SHUTOFF")
    await gone(cluster, server_id)


@pytest.mark.parametrize("settle", [None, "confirmResize", "revertResize"])
async def test_delete_of_a_resized_server(cluster: Cluster, settle: str | None) -> None:
    """A delete overtakes what settles the resize; both hosts let go of everything."""
    server_id = await active(cluster)
    await do(cluster, server_id, "resize", {"flavorRef": "2"})
    await expect(cluster, server_id, "VERIFY_RESIZE")
    if settle:
        await do(cluster, server_id, settle, code=204 if settle == "confirmResize" else 202)
    await gone(cluster, server_id)
    assert server_id not in await cluster.guests()


async def test_a_resize_that_fits_nowhere_leaves_all_as_it_was(cluster: Cluster) -> None:
    body = {"name": "huge", "id": "huge", "ram": 10_000_000, "vcpus": 1, "disk": 1}
    assert (await cluster.request("POST", "/flavors", {"flavor": body}))[0] == 200
    server_id = await active(cluster)
    before = await cluster.row(server_id)
    await do(cluster, server_id, "resize", {"flavorRef": "huge"})
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "ACTIVE"
    after = await cluster.row(server_id)
    for column in ("host", "generation", "flavorid", "memory_mib", "task_state", "network_info"):
        assert after[column] == before[column], column
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    assert body["instanceActions"][0]["message"] == "Error"
    _, body = await cluster.request("GET", f"/os-migrations?instance_uuid={server_id}")
    assert [m["status"] for m in body["migrations"]] == ["error"]
    await cluster.assert_sound()
    await gone(cluster, server_id)


async def test_cold_migration_to_a_host(cluster: Cluster) -> None:
    server_id = await active(cluster)
    source = (await cluster.row(server_id))["host"]
    target = next(host for host in cluster.hosts if host != source)
    await do(cluster, server_id, "migrate", {"host": target})
    server = await expect(cluster, server_id, "VERIFY_RESIZE")
    assert server["OS-EXT-SRV-ATTR:host"] == target
    await do(cluster, server_id, "confirmResize", code=204)
    await expect(cluster, server_id, "ACTIVE")
    await gone(cluster, server_id)


@pytest.mark.parametrize("paused", [False, True])
async def test_live_migration(cluster: Cluster, paused: bool) -> None:
    server_id = await active(cluster)
    if paused:
        await do(cluster, server_id, "pause")
        await expect(cluster, server_id, "PAUSED")
    source = (await cluster.row(server_id))["host"]
    await do(cluster, server_id, "os-migrateLive", {"host": None, "block_migration": "auto"})
    server = await expect(cluster, server_id, "PAUSED" if paused else "ACTIVE")
    assert server["OS-EXT-SRV-ATTR:host"] != source
    _, body = await cluster.request("GET", f"/os-migrations?instance_uuid={server_id}")
    assert [(m["status"], m["dest_host"]) for m in body["migrations"]] == [
        ("completed", "127.0.0.1")
    ]
    await gone(cluster, server_id)


@pytest.mark.parametrize(
    ("version", "more"),
    [("2.1", {"disk_over_commit": False}), ("2.30", {"force": True}), ("2.104", {})],
)
async def test_live_migration_to_a_host(
    cluster: Cluster, version: str, more: dict[str, Any]
) -> None:
    server_id = await active(cluster)
    source = (await cluster.row(server_id))["host"]
    target = next(host for host in cluster.hosts if host != source)
    argument = {"host": target, "block_migration": False, **more}
    await do(cluster, server_id, "os-migrateLive", argument, version=version)
    server = await expect(cluster, server_id, "ACTIVE")
    assert server["OS-EXT-SRV-ATTR:host"] == target
    waited = (
        "conductor_migrate_server"
        if version in ("2.1", "2.30")
        else "conductor_live_migrate_instance"
    )
    assert waited in await latest_events(cluster, server_id)
    await gone(cluster, server_id)


async def latest_events(cluster: Cluster, server_id: str) -> list[str]:
    """Of the latest instance action."""
    path = f"/servers/{server_id}/os-instance-actions"
    _, body = await cluster.request("GET", path)
    request_id = body["instanceActions"][0]["request_id"]
    _, body = await cluster.request("GET", f"{path}/{request_id}")
    return [event["event"] for event in body["instanceAction"]["events"]]


async def test_shelve_and_unshelve(cluster: Cluster) -> None:
    server_id = await active(cluster)
    await do(cluster, server_id, "shelve")
    server = await expect(cluster, server_id, "SHELVED_OFFLOADED")
    assert server["OS-EXT-SRV-ATTR:host"] is None
    assert len(await images(cluster, instance_uuid=server_id)) == 1
    await cluster.assert_sound()
    await do(cluster, server_id, "unshelve", {"host": "compute-2"})
    server = await expect(cluster, server_id, "ACTIVE")
    assert server["OS-EXT-SRV-ATTR:host"] == "compute-2"
    assert not await images(cluster, instance_uuid=server_id)
    await gone(cluster, server_id)


async def test_shelve_keeps_the_place_for_a_while(keeping: Cluster) -> None:
    server_id = await active(keeping)
    await done(
        keeping,
        server_id,
        [
            ("shelve", None, "SHELVED"),
            ("unshelve", None, "ACTIVE"),
            ("shelve", None, "SHELVED"),
            ("shelveOffload", None, "SHELVED_OFFLOADED"),
            ("unshelve", {"availability_zone": "nova"}, "ACTIVE"),
        ],
    )
    assert (await keeping.server(server_id) or {})["pinned_availability_zone"] == "nova"
    await gone(keeping, server_id)


async def test_image(cluster: Cluster) -> None:
    server_id = await active(cluster)
    made = await do(cluster, server_id, "createImage", {"name": "snap", "metadata": {"a": "b"}})
    await expect(cluster, server_id, "ACTIVE")
    (image,) = await images(cluster, name="snap")
    assert (image["id"], image["status"], image["a"]) == (made["image_id"], "active", "b")
    assert image["size"] > 0
    copy = await active(cluster, imageRef=made["image_id"])
    await gone(cluster, copy)
    await gone(cluster, server_id)


async def test_backups_are_rotated(cluster: Cluster) -> None:
    server_id = await active(cluster)
    for n in range(3):
        argument = {"name": f"b{n}", "backup_type": "daily", "rotation": 2}
        await do(cluster, server_id, "createBackup", argument)
        await expect(cluster, server_id, "ACTIVE")
    found = await images(cluster, image_type="backup", instance_uuid=server_id)
    assert sorted(image["name"] for image in found) == ["b1", "b2"]
    await gone(cluster, server_id)


async def test_console_and_diagnostics(cluster: Cluster) -> None:
    server_id = await active(cluster)
    whole = (await do(cluster, server_id, "os-getConsoleOutput", {}, code=200))["output"]
    assert "login:" in whole
    last = await do(cluster, server_id, "os-getConsoleOutput", {"length": "2"}, code=200)
    assert last["output"].splitlines() == whole.splitlines()[-2:]
    none = await do(cluster, server_id, "os-getConsoleOutput", {"length": 0}, code=200)
    assert none["output"] == ""
    assert await do(cluster, server_id, "os-getConsoleOutput", {"length": -1}, code=200) == {
        "output": whole
    }
    for version in ("2.47", "2.48"):
        status, body = await cluster.request(
            "GET", f"/servers/{server_id}/diagnostics", version=version
        )
        assert (status, body["state"]) == (200, "running")
    await gone(cluster, server_id)


async def test_soft_delete_and_restore(keeping: Cluster) -> None:
    server_id = await active(keeping)
    for _ in range(2):  # the second changes nothing
        status, _ = await keeping.request("DELETE", f"/servers/{server_id}")
        assert status == 204
        await expect(keeping, server_id, "SOFT_DELETED")
    _, body = await keeping.request("GET", "/servers")
    assert server_id not in [server["id"] for server in body["servers"]]
    await do(keeping, server_id, "restore")
    server = await expect(keeping, server_id, "ACTIVE")
    assert server["OS-EXT-STS:power_state"] == 1
    await keeping.request("DELETE", f"/servers/{server_id}")
    await expect(keeping, server_id, "SOFT_DELETED")
    await gone(keeping, server_id)


async def test_operators_end_live_migrations_early(
    postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Slow guests, so that there is time to look and to interfere."""
    scratch = tmp_path_factory.mktemp("slow")
    slow = {"compute": {"simulated": {"spawn_delay_s": 2.0}}}
    async with deployed(postgres_server, template_database, scratch, "slow", **slow) as cluster:
        for interfere in (abort, force_complete):
            server_id = await active(cluster)
            source = (await cluster.row(server_id))["host"]
            await do(cluster, server_id, "os-migrateLive", {"host": None, "block_migration": False})
            path = f"/servers/{server_id}/migrations"
            shown = await running(cluster, path)
            assert shown["source_compute"] == source
            outcome = await interfere(cluster, f"{path}/{shown['id']}")
            server = await cluster.settled(server_id)
            assert server is not None
            assert server["status"] == "ACTIVE"
            _, body = await cluster.request("GET", f"/os-migrations?instance_uuid={server_id}")
            assert body["migrations"][0]["status"] == outcome
            stayed = server["OS-EXT-SRV-ATTR:host"] == source
            assert stayed is (outcome == "cancelled")
            status, _ = await cluster.request("GET", f"{path}/{shown['id']}")
            assert status == 404
            await gone(cluster, server_id)


async def running(cluster: Cluster, path: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    async def is_running() -> bool:
        _, body = await cluster.request("GET", path)
        found[:] = [m for m in body["migrations"] if m["status"] == "running"]
        return bool(found and found[0]["memory_total_bytes"])

    await wait_for(is_running, 10, "memory to be copied")
    return found[0]


async def abort(cluster: Cluster, path: str) -> str:
    status, body = await cluster.request("DELETE", path)
    assert status == 202, body
    return "cancelled"


async def force_complete(cluster: Cluster, path: str) -> str:
    status, body = await cluster.request("POST", f"{path}/action", {"force_complete": None})
    assert status == 202, body
    return "completed"
