"""A host that is cut off from the broker, and goes on: silent, which is not fenced.

It carries out what it had been told and cannot answer; its guests execute on. So nothing that may
be executing there is started elsewhere before it has answered or was declared down.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.compute.drivers.base import Phase
from services.conductor.workflows import DEFINITIONS
from tests.functional.workflows.test_every_step import CASES, force_down, force_down_ended
from tests.support.cluster import Cluster, running_cluster
from tests.support.wait import wait_for

SPAWN_S = 1.2
SETTINGS: dict[str, Any] = {
    "servicegroup": {"report_interval_s": 0.1, "service_down_time_s": 1.0},
    "compute": {"simulated": {"spawn_delay_s": SPAWN_S, "delay_jitter": 0.0}},
}


@asynccontextmanager
async def slow_cluster(url: str, scratch: Path, **more: Any) -> AsyncIterator[Cluster]:
    async with running_cluster(url, scratch, **{**SETTINGS, **more}) as cluster:
        yield cluster


def cut(cluster: Cluster, host: str) -> None:
    cluster.broker.disconnect(cluster.members[host].bus)


def mend(cluster: Cluster, host: str) -> None:
    cluster.broker.reconnect(cluster.members[host].bus)


async def on_host(cluster: Cluster, host: str, server_id: str, *phases: Phase) -> bool:
    """Whether the driver of the host has the guest in one of the phases."""
    driver = cluster.members[host].service.agents[host].driver
    found = {guest.uuid: guest for guest in await driver.list_guests()}
    return server_id in found and found[server_id].phase in phases


async def stays_out(cluster: Cluster, host: str, server_id: str) -> None:
    """The guest does not go on there for longer than a conductor needs to give up an answer."""
    with pytest.raises(AssertionError, match="to go on"):
        await wait_for(lambda: on_host(cluster, host, server_id, Phase.READY), 4, "it to go on")
    assert await on_host(cluster, host, server_id, Phase.MIGRATED_OUT)


async def host_of(cluster: Cluster, server_id: str) -> str:
    async def placed() -> bool:
        return (await cluster.row(server_id))["host"] is not None

    await wait_for(placed, 10, "the server to have a host")
    return str((await cluster.row(server_id))["host"])


async def active(cluster: Cluster, **fields: Any) -> tuple[str, str]:
    server_id = await cluster.create_server(**fields)
    server = await cluster.settled(server_id)
    assert server is not None
    assert server["status"] == "ACTIVE", server
    return server_id, server["OS-EXT-SRV-ATTR:host"]


async def test_a_build_leaves_a_host_that_is_cut_off(database_url: str, tmp_path: Path) -> None:
    async with slow_cluster(database_url, tmp_path) as cluster:
        server_id = await cluster.create_server()
        first = await host_of(cluster, server_id)
        await wait_for(lambda: on_host(cluster, first, server_id, Phase.BUILDING), 5, "the spawn")
        cut(cluster, first)
        server = await cluster.settled(server_id, 30)
        assert server is not None
        assert server["status"] == "ACTIVE", server
        assert server["OS-EXT-SRV-ATTR:host"] != first
        # The first host has made what it was told to make, as far as it knows it is the server.
        await wait_for(lambda: on_host(cluster, first, server_id, Phase.READY), 5, "its guest")
        mend(cluster, first)
        await cluster.assert_sound()


@pytest.mark.parametrize("kind", ["migrate", "resize"])
async def test_a_move_returns_although_its_destination_is_cut_off(
    database_url: str, tmp_path: Path, kind: str
) -> None:
    hosts = ("compute-1", "compute-2")
    async with slow_cluster(database_url, tmp_path, hosts=hosts) as cluster:
        server_id, source = await active(cluster)
        (dest,) = set(hosts) - {source}
        await CASES[kind].begins(cluster, server_id)
        out = Phase.MIGRATED_OUT
        await wait_for(lambda: on_host(cluster, source, server_id, out), 10, "the source to let go")
        cut(cluster, dest)
        server = await cluster.settled(server_id, 60)
        assert server is not None
        assert server["OS-EXT-SRV-ATTR:host"] == source
        assert await on_host(cluster, source, server_id, Phase.READY), "it goes on at its source"
        mend(cluster, dest)
        await cluster.assert_sound()


async def test_a_live_migration_waits_for_a_silent_destination(
    database_url: str, tmp_path: Path
) -> None:
    """The one move whose guest executes before the commit: the source must not go on while the
    destination may be running it."""
    hosts = ("compute-1", "compute-2")
    async with slow_cluster(database_url, tmp_path, hosts=hosts) as cluster:
        server_id, source = await active(cluster)
        (dest,) = set(hosts) - {source}
        await CASES["live_migrate"].begins(cluster, server_id)
        out = Phase.MIGRATED_OUT
        await wait_for(lambda: on_host(cluster, source, server_id, out), 15, "the source to let go")
        cut(cluster, dest)

        async def unwinds() -> bool:
            query = "select unwinding from workflows where server_uuid = $1::uuid"
            return bool(await cluster.pool.fetchval(query, server_id))

        await wait_for(unwinds, 10, "the conductor to turn back")
        await wait_for(lambda: on_host(cluster, dest, server_id, Phase.READY), 5, "its guest")
        await stays_out(cluster, source, server_id)
        mend(cluster, dest)
        server = await cluster.settled(server_id, 30)
        assert server is not None
        assert (server["status"], server["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", source)
        await cluster.assert_sound()


async def test_a_revert_waits_for_a_silent_destination(database_url: str, tmp_path: Path) -> None:
    """What executes there is the server; the source may go on only when it does not any more."""
    hosts = ("compute-1", "compute-2")
    async with slow_cluster(database_url, tmp_path, hosts=hosts) as cluster:
        server_id, source = await active(cluster)
        await CASES["resize"].begins(cluster, server_id)
        resized = await cluster.settled(server_id, 30)
        assert resized is not None
        dest = resized["OS-EXT-SRV-ATTR:host"]
        cut(cluster, dest)
        await CASES["revert_resize"].begins(cluster, server_id)

        async def silent() -> bool:
            shown = await cluster.server(server_id)
            return shown is not None and shown["host_status"] == "UNKNOWN"

        await wait_for(silent, 10, "the destination to be silent")
        await stays_out(cluster, source, server_id)
        mend(cluster, dest)
        server = await cluster.settled(server_id, 30)
        assert server is not None
        assert (server["status"], server["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", source)
        await cluster.assert_sound()


async def test_an_evacuation_needs_more_than_silence(database_url: str, tmp_path: Path) -> None:
    async with slow_cluster(database_url, tmp_path) as cluster:
        server_id, host = await active(cluster)
        cut(cluster, host)

        async def silent() -> bool:
            shown = await cluster.server(server_id)
            return shown is not None and shown["host_status"] == "UNKNOWN"

        await wait_for(silent, 10, "the host to be silent")
        path = f"/servers/{server_id}/action"
        status, body = await cluster.request("POST", path, {"evacuate": {}}, version="2.90")
        assert status == 400, body
        assert "forced_down" in body["badRequest"]["message"]
        await force_down(cluster, host)
        await cluster.action(server_id, {"evacuate": {}}, 200)
        server = await cluster.settled(server_id, 30)
        assert server is not None
        assert (server["status"], server["host_status"]) == ("ACTIVE", "UP")


async def test_a_host_that_said_goodbye_is_fenced(database_url: str, tmp_path: Path) -> None:
    async with slow_cluster(database_url, tmp_path) as cluster:
        server_id, host = await active(cluster)
        await cluster.stop_member(host)
        await cluster.action(server_id, {"evacuate": {}}, 200)
        server = await cluster.settled(server_id, 30)
        assert server is not None
        assert server["status"] == "ACTIVE"
        assert server["OS-EXT-SRV-ATTR:host"] != host
        await cluster.start_host(host)
        await cluster.assert_sound()


async def test_an_evacuation_leaves_a_server_alone_whose_host_is_up_by_then(
    database_url: str, tmp_path: Path
) -> None:
    """It was asked for while a resize ran, which has taken the server away by the time it begins:
    its disk must not be made anew."""
    async with running_cluster(database_url, tmp_path) as cluster:
        server_id, source = await active(cluster)
        await cluster.stop_member("conductor")
        await CASES["resize"].begins(cluster, server_id)
        await force_down(cluster, source)
        await cluster.action(server_id, {"evacuate": {}}, 200)
        await force_down_ended(cluster, source)
        await cluster.start_conductor()
        server = await cluster.settled(server_id, 30)
        assert server is not None
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("VERIFY_RESIZE", None)
        assert server["OS-EXT-SRV-ATTR:host"] != source
        query = "select status from migrations where migration_type = 'evacuation'"
        assert await cluster.pool.fetchval(query) == "error"
        row = await cluster.row(server_id)

        async def runs() -> bool:
            driver = cluster.members[row["host"]].service.agents[row["host"]].driver
            guest = await driver.guest_info(server_id)
            return guest.generation == row["generation"] and not guest.held

        await wait_for(runs, 5, "the resized guest to run")
        await cluster.assert_sound()


async def test_no_second_guest_runs_whatever_state_an_operator_says_the_server_is_in(
    database_url: str, tmp_path: Path
) -> None:
    """The destination fell silent in the hand-over of a live migration and stays it."""
    hosts = ("compute-1", "compute-2")
    live = DEFINITIONS["live_migrate"]
    steps = tuple(dataclasses.replace(step, undo_deadline_s=1.0) for step in live.steps)
    definitions = {**DEFINITIONS, "live_migrate": dataclasses.replace(live, steps=steps)}
    async with slow_cluster(database_url, tmp_path, hosts=hosts) as cluster:
        server_id, source = await active(cluster)
        (dest,) = set(hosts) - {source}
        await cluster.stop_member("conductor")
        await cluster.start_conductor(definitions=definitions)
        await CASES["live_migrate"].begins(cluster, server_id)
        out = Phase.MIGRATED_OUT
        await wait_for(lambda: on_host(cluster, source, server_id, out), 15, "the source to let go")
        cut(cluster, dest)
        server = await cluster.settled(server_id, 30)
        assert server is not None
        assert server["status"] == "ERROR"
        assert await on_host(cluster, dest, server_id, Phase.READY), "it may be running there"
        await cluster.action(server_id, {"os-resetState": {"state": "active"}})
        await cluster.action(server_id, {"reboot": {"type": "HARD"}})
        await cluster.settled(server_id, 30)
        assert await on_host(cluster, source, server_id, out), "it does not go on here"
        mend(cluster, dest)

        async def over() -> bool:
            return not await cluster.pool.fetchval("select count(*) from leftovers")

        await wait_for(over, 10, "the guest there to be over")
        await cluster.action(server_id, {"reboot": {"type": "HARD"}})
        await cluster.settled(server_id, 30)
        assert await on_host(cluster, source, server_id, Phase.READY)
        await cluster.assert_sound()


async def test_a_delete_does_not_wait_for_memory_to_be_copied(
    database_url: str, tmp_path: Path
) -> None:
    slow = {"compute": {"simulated": {"spawn_delay_s": 3.0, "delay_jitter": 0.0}}}
    async with running_cluster(database_url, tmp_path, **slow) as cluster:
        server_id, _ = await active(cluster)
        await CASES["live_migrate"].begins(cluster, server_id)

        async def copying() -> bool:
            return bool(await cluster.pool.fetchval("select status from migrations") == "running")

        await wait_for(copying, 10, "memory to be copied")
        status, _ = await cluster.request("DELETE", f"/servers/{server_id}")
        assert status == 204
        assert await cluster.settled(server_id, 6) is None
        await cluster.assert_sound()
