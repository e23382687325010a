"""What cannot be cleaned up now blocks nobody, is written down, and is worked off later."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog

from common.errors import Conflict, HostCommandFailed
from services.conductor.engine.context import Context
from services.conductor.workflows import DEFINITIONS
from tests.functional.workflows.test_every_step import CASES, Fault
from tests.support.cluster import Cluster, running_cluster


async def kinds(cluster: Cluster) -> list[str]:
    rows = await cluster.pool.fetch("select kind, reason from leftovers order by kind")
    assert all(row["reason"] for row in rows), "each has a reason"
    return [row["kind"] for row in rows]


async def protect(cluster: Cluster, image_id: str, protected: bool) -> None:
    url = cluster.identity_url.removesuffix("/identity") + f"/image/v2/images/{image_id}"
    headers = {
        "X-Auth-Token": await cluster.token(),
        "Content-Type": "application/openstack-images-v2.1-json-patch",
    }
    patch = [{"op": "replace", "path": "/protected", "value": protected}]
    async with cluster.http.patch(url, json=patch, headers=headers) as response:
        assert response.status == 200, await response.text()


async def shelved_for_good(cluster: Cluster) -> tuple[str, str]:
    """A shelved server, and its image, which cannot be deleted."""
    server_id = await cluster.create_server()
    await cluster.settled(server_id)
    await CASES["shelve"].begins(cluster, server_id)
    await cluster.settled(server_id)
    image_id = (await cluster.row(server_id))["system_metadata"]["shelved_image_id"]
    await protect(cluster, image_id, True)
    return server_id, image_id


async def test_a_protected_image_of_a_shelved_server_is_in_nobodys_way(
    database_url: str, tmp_path: Path
) -> None:
    async with running_cluster(database_url, tmp_path) as cluster:
        server_id, image_id = await shelved_for_good(cluster)
        await cluster.action(server_id, {"unshelve": None}, version="2.60")
        server = await cluster.settled(server_id)
        assert server is not None
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
        status, _ = await cluster.request("DELETE", f"/servers/{server_id}")
        assert status == 204
        assert await cluster.settled(server_id) is None
        assert await kinds(cluster) == ["image"]
        await protect(cluster, image_id, False)
        await cluster.pool.execute("update leftovers set due_at = now()")
        await cluster.assert_sound()


async def test_a_delete_does_not_wait_for_an_image_that_is_protected(
    database_url: str, tmp_path: Path
) -> None:
    async with running_cluster(database_url, tmp_path) as cluster:
        server_id, image_id = await shelved_for_good(cluster)
        status, _ = await cluster.request("DELETE", f"/servers/{server_id}")
        assert status == 204
        assert await cluster.settled(server_id) is None
        assert "image" in await kinds(cluster)
        await protect(cluster, image_id, False)
        await cluster.pool.execute("update leftovers set due_at = now()")
        await cluster.assert_sound()


async def test_a_workflow_whose_failed_raises_ends_all_the_same(
    database_url: str, tmp_path: Path
) -> None:
    fault = Fault()
    definitions = fault.definitions("stop", power_off=fault.failing("before"))

    def failed(_context: Context) -> Any:
        raise RuntimeError("a bug in it")

    definitions["stop"] = type(definitions["stop"])(
        "stop", definitions["stop"].steps, failed=failed
    )
    async with running_cluster(database_url, tmp_path) as cluster:
        server_id = await cluster.create_server()
        await cluster.settled(server_id)
        await cluster.stop_member("conductor")
        await cluster.start_conductor(definitions=definitions)
        await cluster.action(server_id, {"os-stop": None})
        server = await cluster.settled(server_id)
        assert server is not None
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ERROR", None)
        status, _ = await cluster.request("DELETE", f"/servers/{server_id}")
        assert status == 204
        assert await cluster.settled(server_id) is None
        await cluster.assert_sound()


async def test_ports_whose_undo_gave_up_are_removed_later(
    database_url: str, tmp_path: Path
) -> None:
    fault = Fault()
    definitions = fault.definitions("build", spawn=fault.failing("before"))
    reachable = False

    def stubborn(step: Any) -> Any:
        async def undo(context: Context) -> None:
            if not reachable:
                raise Conflict("the network service refuses")
            await step.undo(context)

        return type(step)(**{**vars(step), "undo": undo})

    steps = tuple(stubborn(s) if s.name == "network" else s for s in definitions["build"].steps)
    definitions["build"] = type(definitions["build"])(
        **{**vars(definitions["build"]), "steps": steps}
    )
    async with running_cluster(database_url, tmp_path) as cluster:
        await cluster.stop_member("conductor")
        await cluster.start_conductor(
            definitions=definitions, conductor={"reconcile_interval_s": 3600}
        )
        server_id = await cluster.create_server()
        server = await cluster.settled(server_id)
        assert server is not None
        assert server["status"] == "ERROR"
        ports = (await cluster.network("/ports"))["ports"]
        assert server_id in {port["device_id"] for port in ports}, "they are still there"
        assert await kinds(cluster) == ["ports"]
        await cluster.stop_member("conductor")
        await cluster.start_conductor()
        await cluster.assert_sound()
        ports = (await cluster.network("/ports"))["ports"]
        assert server_id not in {port["device_id"] for port in ports}


async def test_ports_made_by_a_run_that_had_lost_its_lease_are_removed(
    database_url: str, tmp_path: Path
) -> None:
    """Frozen between its look for ports and their making, thawed when another conductor has long
    made them: its own are too many."""
    late: list[str] = []

    def losing(step: Any) -> Any:
        async def do(context: Context) -> None:
            await step.do(context)
            if not late:
                late.append(str(context.server.uuid))
                # Somebody else has taken the row meanwhile; the commit will find out.
                await context.deps.pool.execute(
                    "update workflows set lease_epoch = lease_epoch + 1, "
                    "lease_expires_at = '-infinity', step = 1 where id = $1",
                    context.workflow.id,
                )

        return type(step)(**{**vars(step), "do": do})

    build = DEFINITIONS["build"]
    steps = tuple(losing(s) if s.name == "spawn" else s for s in build.steps)
    definitions = {**DEFINITIONS, "build": type(build)(**{**vars(build), "steps": steps})}
    async with running_cluster(database_url, tmp_path) as cluster:
        await cluster.stop_member("conductor")
        await cluster.start_conductor(definitions=definitions)
        server_id = await cluster.create_server()
        server = await cluster.settled(server_id)
        assert late == [server_id]
        assert server is not None
        assert server["status"] == "ACTIVE"
        await cluster.assert_sound()


async def test_a_delete_at_the_last_undo_of_a_reroute_ends_quietly(
    database_url: str, tmp_path: Path
) -> None:
    from common.errors import HostCommandFailed

    build = DEFINITIONS["build"]
    asked: list[str] = []

    async def spawn(_context: Context) -> None:
        raise HostCommandFailed("not here")

    def replaced(step: Any) -> Any:
        if step.name == "spawn":
            return type(step)(**{**vars(step), "do": spawn})
        if step.name != "schedule":
            return step

        async def undo(context: Context) -> None:
            await step.undo(context)
            uuid = str(context.server.uuid)
            if not asked:
                asked.append(uuid)
                await context.deps.pool.execute(
                    "update workflows set cancel_requested = true where id = $1",
                    context.workflow.id,
                )

        return type(step)(**{**vars(step), "undo": undo})

    steps = tuple(replaced(s) for s in build.steps)
    definitions = {**DEFINITIONS, "build": type(build)(**{**vars(build), "steps": steps})}
    async with running_cluster(database_url, tmp_path) as cluster:
        await cluster.stop_member("conductor")
        await cluster.start_conductor(definitions=definitions)
        with structlog.testing.capture_logs() as logs:
            server_id = await cluster.create_server()
            await cluster.settled(server_id)
        assert asked == [server_id]
        assert "workflow_run_broke" not in {entry["event"] for entry in logs}
        row = await cluster.row(server_id)
        assert row["host"] is None
        status, _ = await cluster.request("DELETE", f"/servers/{server_id}")
        assert status == 204
        assert await cluster.settled(server_id) is None
        await cluster.assert_sound()


@pytest.mark.parametrize("surplus", [1, 3])
async def test_a_repeated_step_finds_its_ports_and_removes_doubles(
    database_url: str, tmp_path: Path, surplus: int
) -> None:
    def doubling(step: Any) -> Any:
        async def do(context: Context) -> None:
            await step.do(context)
            wanted = context.server.requested_networks
            for _ in range(surplus):  # a second run that was too late, in another order
                for place in reversed(range(len(wanted))):
                    await context.deps.network.create_port(
                        _request(context, wanted[place]["uuid"], place)
                    )
            context.resumed = True
            context.changes = type(context.changes)()
            await step.do(context)

        return type(step)(**{**vars(step), "do": do})

    build = DEFINITIONS["build"]
    steps = tuple(doubling(s) if s.name == "network" else s for s in build.steps)
    definitions = {**DEFINITIONS, "build": type(build)(**{**vars(build), "steps": steps})}
    async with running_cluster(database_url, tmp_path) as cluster:
        await cluster.stop_member("conductor")
        await cluster.start_conductor(definitions=definitions)
        network = await cluster.network_id()
        server_id = await cluster.create_server(
            networks=[{"uuid": network, "tag": "first"}, {"uuid": network, "tag": "second"}]
        )
        server = await cluster.settled(server_id)
        assert server is not None
        assert server["status"] == "ACTIVE", server
        info = (await cluster.row(server_id))["network_info"]
        assert [vif["tag"] for vif in info] == ["first", "second"]
        ports = {p["id"]: p for p in (await cluster.network("/ports"))["ports"]}
        places = [ports[v["port_id"]]["binding:profile"]["muster_request"] for v in info]
        assert places == [0, 1]
        await cluster.assert_sound()


def _request(context: Context, network_id: str, place: int) -> Any:
    from common.neighbours.network_records import PortRequest

    return PortRequest(
        network_id=network_id,
        project_id=context.server.project_id,
        device_id=str(context.server.uuid),
        device_owner="compute:nova",
        host_id=context.state["host"],
        profile={"muster_request": place},
    )


async def test_people_can_list_them(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_cluster(database_url, tmp_path) as cluster:
        listed = await _db_leftovers(database_url, monkeypatch)
        assert listed == (0, "Nothing is left over.\n")
        await cluster.pool.execute(
            "insert into leftovers (server_uuid, kind, detail, reason, due_at) values "
            "(gen_random_uuid(), 'image', '{\"id\": \"i-1\"}', 'it is protected',"
            " now() + interval '1 hour')"
        )
        code, text = await _db_leftovers(database_url, monkeypatch)
        assert code == 1
        assert "it is protected" in text
        assert "id i-1" in text
        await cluster.pool.execute("delete from leftovers")


async def _db_leftovers(url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setenv("MUSTER_DATABASE__URL", url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "db", "leftovers", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


def _robbed(kind: str, step_name: str, robbed: list[str], *, dropped: bool) -> Any:
    """DEFINITIONS where another run takes the workflow while the first one is at the step. That
    finds out when it commits; or it is `dropped`, and what it asked for takes effect then."""

    def losing(step: Any) -> Any:
        async def do(context: Context) -> None:
            if not robbed:
                robbed.append(str(context.server.uuid))
                await context.deps.pool.execute(
                    "update workflows set lease_epoch = lease_epoch + 1, "
                    "lease_expires_at = '-infinity' where id = $1",
                    context.workflow.id,
                )
                try:
                    await (asyncio.Event().wait() if dropped else asyncio.sleep(0))
                finally:
                    await asyncio.ensure_future(step.do(context))
                return
            await step.do(context)

        return dataclasses.replace(step, do=do)

    found = DEFINITIONS[kind]
    steps = tuple(losing(s) if s.name == step_name else s for s in found.steps)
    return {**DEFINITIONS, kind: dataclasses.replace(found, steps=steps)}


async def test_ports_of_a_step_that_was_to_be_committed_with_the_next_are_removed(
    database_url: str, tmp_path: Path
) -> None:
    """Also when the run is dropped before it finds out that it has lost its lease."""
    robbed: list[str] = []
    async with running_cluster(database_url, tmp_path) as cluster:
        await cluster.stop_member("conductor")
        await cluster.start_conductor(definitions=_robbed("build", "network", robbed, dropped=True))
        server_id = await cluster.create_server()
        server = await cluster.settled(server_id)
        assert robbed == [server_id]
        assert server is not None
        assert server["status"] == "ACTIVE"
        await cluster.assert_sound()


async def test_the_image_of_a_run_that_had_lost_its_lease_is_the_other_runs(
    database_url: str, tmp_path: Path
) -> None:
    """Its id follows from the workflow: both have made the same, and it is the server now."""
    robbed: list[str] = []
    async with running_cluster(database_url, tmp_path) as cluster:
        server_id = await cluster.create_server()
        await cluster.settled(server_id)
        await cluster.stop_member("conductor")
        await cluster.start_conductor(definitions=_robbed("shelve", "image", robbed, dropped=False))
        await CASES["shelve"].begins(cluster, server_id)
        server = await cluster.settled(server_id)
        assert robbed == [server_id]
        assert server is not None
        assert server["status"] == "SHELVED_OFFLOADED"
        await cluster.assert_sound()
        image_id = (await cluster.row(server_id))["system_metadata"]["shelved_image_id"]
        url = cluster.identity_url.removesuffix("/identity") + "/image/v2"
        status, _ = await cluster.request("GET", f"/images/{image_id}", url=url)
        assert status == 200, "the server is still there"


async def test_a_build_that_fails_on_its_second_way_leaves_no_event_open(
    database_url: str, tmp_path: Path
) -> None:
    build = DEFINITIONS["build"]

    async def spawn(_context: Context) -> None:
        raise HostCommandFailed("not here")

    def replaced(step: Any) -> Any:
        async def network(context: Context) -> None:
            if context.workflow.attempt:
                raise Conflict("no more ports")
            await step.do(context)

        do = {"spawn": spawn, "network": network}.get(step.name, step.do)
        return dataclasses.replace(step, do=do)

    steps = tuple(replaced(step) for step in build.steps)
    async with running_cluster(database_url, tmp_path) as cluster:
        await cluster.stop_member("conductor")
        definitions = {**DEFINITIONS, "build": dataclasses.replace(build, steps=steps)}
        await cluster.start_conductor(definitions=definitions)
        server_id = await cluster.create_server()
        server = await cluster.settled(server_id)
        assert server is not None
        assert server["status"] == "ERROR"
        events = await cluster.pool.fetch("select result, finish_time from instance_action_events")
        assert len(events) == 2
        assert all(event["finish_time"] and event["result"] == "Error" for event in events), events
        await cluster.assert_sound()
