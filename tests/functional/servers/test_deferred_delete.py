"""Deletes that can be taken back for a while (conductor.reclaim_instance_interval_s > 0)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.functional.servers.conftest import Stack


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"conductor": {"reclaim_instance_interval_s": 60}}


@pytest.fixture(scope="module", autouse=True)
async def hosts(stack: Stack) -> None:
    await stack.add_host("up")
    unlimited = {"cores": -1, "ram": -1, "instances": -1}
    for project in set(stack.projects.values()):
        await stack.call("PUT", f"/os-quota-sets/{project}", {"quota_set": unlimited})


async def delete(stack: Stack, server_id: str) -> int:
    return (await stack.call("DELETE", f"/servers/{server_id}", user="demo")).status


async def kinds(stack: Stack, server_id: str) -> list[tuple[str, bool]]:
    return [(w["kind"], w["cancel_requested"]) for w in await stack.workflows(server_id)]


async def test_what_has_run_is_deleted_softly(stack: Stack) -> None:
    server_id = await stack.server(host="up")
    statuses = await asyncio.gather(*(delete(stack, server_id) for _ in range(4)))
    assert set(statuses) == {204}
    assert await kinds(stack, server_id) == [("soft_delete", False)]
    assert await stack.actions(server_id) == ["delete"]
    row = await stack.row(server_id)
    assert (row["vm_state"], row["task_state"]) == ("active", "soft-deleting")


async def test_what_never_ran_is_deleted(stack: Stack) -> None:
    server_id = await stack.created()
    assert await delete(stack, server_id) == 204
    assert await kinds(stack, server_id) == [("build", True), ("delete", False)]
    assert (await stack.row(server_id))["task_state"] == "deleting"


async def test_what_has_no_place_is_deleted(stack: Stack) -> None:
    server_id = await stack.server(vm_state="shelved_offloaded")
    assert await delete(stack, server_id) == 204
    assert await kinds(stack, server_id) == [("delete", False)]


async def test_it_overtakes_what_runs(stack: Stack) -> None:
    server_id = await stack.server(host="up")
    assert (await stack.action(server_id, {"os-stop": None})).status == 202
    assert await delete(stack, server_id) == 204
    assert await kinds(stack, server_id) == [("stop", True), ("soft_delete", False)]


async def test_what_is_softly_deleted_stays_so(stack: Stack) -> None:
    server_id = await stack.server(host="up", vm_state="soft-delete")
    assert await delete(stack, server_id) == 204
    assert not await stack.workflows(server_id)
    assert not await stack.actions(server_id)
    assert (await stack.row(server_id))["task_state"] is None


@pytest.mark.parametrize("vm_state", ["active", "soft-delete"])
async def test_forced_deletes_are_real(stack: Stack, vm_state: str) -> None:
    server_id = await stack.server(host="up", vm_state=vm_state)
    if vm_state == "active":
        assert await delete(stack, server_id) == 204
    answer = await stack.action(server_id, {"forceDelete": None})
    assert (answer.status, answer.body) == (202, b"")
    assert (await kinds(stack, server_id))[-1] == ("delete", False)
    assert all(cancelled for _, cancelled in (await kinds(stack, server_id))[:-1])
    assert await delete(stack, server_id) == 204
    assert (await kinds(stack, server_id))[-1] == ("delete", False), "and nothing after it"
    assert (await stack.row(server_id))["task_state"] == "deleting"


async def test_restore_must_fit_the_quota(stack: Stack) -> None:
    project = stack.projects["other"]
    server_id = await stack.server(
        user="other", host="up", vm_state="soft-delete", vcpus=2, memory_mib=1024
    )
    path = f"/os-quota-sets/{project}"
    for name, limit, words in [
        ("instances", 0, "Quota exceeded for instances: Requested 1, but already used 0 of 0"),
        ("cores", 1, "Quota exceeded for cores: Requested 2, but already used 0 of 1"),
        ("ram", 1023, "Quota exceeded for ram: Requested 1024, but already used 0 of 1023"),
    ]:
        await stack.call("PUT", path, {"quota_set": {name: limit, "force": True}})
        answer = await stack.action(server_id, {"restore": None}, user="other")
        assert answer.status == 403, answer.body
        assert words in answer.fault()
        await stack.call("PUT", path, {"quota_set": {name: -1}})
    assert (await stack.action(server_id, {"restore": None}, user="other")).status == 202
    (workflow,) = await stack.workflows(server_id)
    assert workflow["kind"] == "restore"


async def test_the_list_hides_it(stack: Stack) -> None:
    server_id = await stack.server(host="up", vm_state="soft-delete")
    listed = (await stack.call("GET", "/servers", user="demo")).body["servers"]
    assert server_id not in [server["id"] for server in listed]
    assert (await stack.show(server_id))["status"] == "SOFT_DELETED"
