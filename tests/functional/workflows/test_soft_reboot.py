"""A guest that cannot restart by itself, or does not in time, is rebooted hard."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.compute.faults import Effect, FaultRule
from tests.support.cluster import running_cluster


@pytest.mark.parametrize("effect", [Effect.ERROR, Effect.HANG])
async def test_soft_falls_back_to_hard(database_url: str, tmp_path: Path, effect: Effect) -> None:
    settings = {"conductor": {"soft_reboot_timeout_s": 0.5}}
    async with running_cluster(database_url, tmp_path, hosts=("a",), **settings) as cluster:
        server_id = await cluster.create_server()
        await cluster.settled(server_id)
        faults = cluster.members["a"].service.faults
        faults.add(FaultRule(verb="reboot", count=1, effect=effect))
        await cluster.action(server_id, {"reboot": {"type": "SOFT"}})
        server = await cluster.settled(server_id)
        assert faults.list()[0].fired == 1
        assert server is not None
        assert server["status"] == "ACTIVE"
        _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
        assert [a["message"] for a in body["instanceActions"]] == [None, None]
        _, console = await cluster.request(
            "POST", f"/servers/{server_id}/action", {"os-getConsoleOutput": {"length": 200}}
        )
        assert console["output"].count("boot finished") == 2
        await cluster.assert_sound()


async def test_a_crashed_guest_is_rebooted_hard(database_url: str, tmp_path: Path) -> None:
    """It cannot restart by itself; that it has crashed is not known yet when the request comes."""
    settings = {"conductor": {"soft_reboot_timeout_s": 2.0}}
    async with running_cluster(database_url, tmp_path, hosts=("a",), **settings) as cluster:
        server_id = await cluster.create_server()
        await cluster.settled(server_id)
        driver = cluster.members["a"].service.agents["a"].driver
        driver.on_guest_event = None  # the word of it is still on its way
        driver.simulate_guest_event(server_id, "crash")
        await cluster.action(server_id, {"reboot": {"type": "SOFT"}})
        await cluster.settled(server_id)
        _, body = await cluster.request("GET", f"/servers/{server_id}/os-instance-actions")
        reboot = next(a for a in body["instanceActions"] if a["action"] == "reboot")
        assert reboot["message"] is None, "it has not failed"
        assert (await driver.guest_info(server_id)).power_state == 1
        await cluster.assert_sound()
