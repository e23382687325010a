"""Guests that change by themselves, and what becomes of their servers: a whole cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from common.bus.topology import CONDUCTOR
from common.domain.states import PowerState, VmState
from common.messages.compute import GuestEvent
from services.compute.drivers.simulated import SimulatedDriver
from services.compute.faults import Effect, FaultRule
from services.conductor.power import MISMATCHES
from tests.support.cluster import Cluster, running_cluster
from tests.support.wait import wait_for

HOST = "compute-1"


@pytest.fixture
async def cluster(database_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running_cluster(
        database_url,
        tmp_path,
        hosts=(HOST,),
        bus={"call_timeout_s": 1.0},  # reports are not older, so servers are judged after that
    ) as running:
        yield running
        await running.assert_sound()


def driver(cluster: Cluster) -> SimulatedDriver:
    found = cluster.members[HOST].service.agents[HOST].driver
    assert isinstance(found, SimulatedDriver)
    return found


async def shows(cluster: Cluster, server_id: str, status: str) -> dict[str, Any]:
    async def there() -> bool:
        server = await cluster.settled(server_id)
        return bool(server and server["status"] == status)

    await wait_for(there, what=f"{server_id} to be {status}")
    server = await cluster.server(server_id)
    assert server is not None
    return server


async def power_of(cluster: Cluster, server_id: str) -> PowerState:
    return (await driver(cluster).guest_info(server_id)).power_state


async def actions(cluster: Cluster, server_id: str) -> list[dict[str, Any]]:
    _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
    return [
        {key: action[key] for key in ("action", "user_id", "message")}
        for action in body["instanceActions"]
    ]


@pytest.mark.parametrize("told", [True, False], ids=["event", "only-inventory"])
@pytest.mark.parametrize("event", ["shutdown", "crash"])
async def test_a_guest_that_goes_off_by_itself(cluster: Cluster, event: str, told: bool) -> None:
    server_id = await cluster.create_server()
    await shows(cluster, server_id, "ACTIVE")
    if not told:
        driver(cluster).on_guest_event = None
    driver(cluster).simulate_guest_event(server_id, event)
    server = await shows(cluster, server_id, "SHUTOFF")
    assert server["OS-EXT-STS:power_state"] == PowerState.SHUTDOWN
    assert server["OS-EXT-STS:task_state"] is None
    assert (await actions(cluster, server_id))[0]["action"] == "stop"
    await cluster.action(server_id, {"os-start": None})
    await shows(cluster, server_id, "ACTIVE")
    assert await power_of(cluster, server_id) is PowerState.RUNNING


async def test_a_stopped_server_whose_guest_runs_is_stopped_again(cluster: Cluster) -> None:
    server_id = await cluster.create_server()
    await shows(cluster, server_id, "ACTIVE")
    await cluster.action(server_id, {"os-stop": None})
    await shows(cluster, server_id, "SHUTOFF")
    generation = (await cluster.row(server_id))["generation"]
    await driver(cluster).power_on(server_id, generation)

    async def off_again() -> bool:
        return await power_of(cluster, server_id) is PowerState.SHUTDOWN

    await wait_for(off_again)
    await shows(cluster, server_id, "SHUTOFF")


async def test_an_old_report_stops_nothing(cluster: Cluster) -> None:
    """It says that the guest is off, and the guest has been started since. Reports that are only a
    moment late are not even judged; this one is later than any should be."""
    server_id = await cluster.create_server()
    await shows(cluster, server_id, "ACTIVE")
    await cluster.pool.execute("update servers set updated_at = now() - interval '1 hour'")
    row = await cluster.row(server_id)
    epoch = cluster.members[HOST].service.agents[HOST].epoch
    late = GuestEvent(
        host=HOST,
        epoch=epoch,
        server_uuid=server_id,
        generation=row["generation"],
        power_state=PowerState.SHUTDOWN,
    )
    await cluster.members[HOST].bus.publish(CONDUCTOR, late)

    async def looked_at() -> bool:
        return bool((await actions(cluster, server_id))[0]["action"] == "stop")

    await wait_for(looked_at)
    server = await cluster.settled(server_id)
    assert server is not None
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    assert await power_of(cluster, server_id) is PowerState.RUNNING


async def test_a_guest_that_was_paused_behind_our_back_is_only_reported(cluster: Cluster) -> None:
    server_id = await cluster.create_server()
    await shows(cluster, server_id, "ACTIVE")
    counter = MISMATCHES.labels(VmState.ACTIVE, "paused")
    before = counter._value.get()
    await driver(cluster).pause(server_id, (await cluster.row(server_id))["generation"])
    await wait_for(lambda: counter._value.get() > before)
    server = await shows(cluster, server_id, "ACTIVE")
    assert server["OS-EXT-STS:power_state"] == PowerState.PAUSED
    assert [a["action"] for a in await actions(cluster, server_id)] == ["create"]


async def test_a_stop_that_was_not_done_is_done_again(cluster: Cluster) -> None:
    """The host says that it was; its report would not change, so nobody would look."""
    server_id = await cluster.create_server()
    await shows(cluster, server_id, "ACTIVE")

    async def settled() -> bool:
        agent = cluster.members[HOST].service.agents[HOST]
        told = await agent.reports.inventory(await agent.driver.resources())
        known = "select inventory from services where host = $1 and binary_name = 'nova-compute'"
        return bool(await cluster.pool.fetchval(known, HOST) == told)

    await wait_for(settled, 10, "the report of the guest that runs to be settled")
    faults = cluster.members[HOST].service.faults
    faults.add(FaultRule(verb="power_off", count=1, effect=Effect.REPORTED_DONE_BUT_LOST))
    await cluster.action(server_id, {"os-stop": None})
    await shows(cluster, server_id, "SHUTOFF")

    async def off() -> bool:
        return await power_of(cluster, server_id) == PowerState.SHUTDOWN

    await wait_for(off, 10, "the guest to be switched off after all")
    assert faults.list()[0].fired == 1
