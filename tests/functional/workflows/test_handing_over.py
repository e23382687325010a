"""How a conductor takes work and gives it back: what it has no room for, and what it has when it
stops."""

from __future__ import annotations

from pathlib import Path

from common.bus.topology import CONDUCTOR
from common.messages.workflow import RunWorkflow
from tests.functional.workflows.test_every_step import CASES
from tests.support.cluster import running_cluster
from tests.support.wait import wait_for

LONG_S = 60.0


async def test_what_was_taken_a_moment_ago_is_given_back(database_url: str, tmp_path: Path) -> None:
    settings = {"conductor": {"lease_s": LONG_S, "sweep_interval_s": 0.2}}
    async with running_cluster(database_url, tmp_path, **settings) as cluster:
        ids = [await cluster.create_server(name=f"s{n}") for n in range(10)]
        for server_id in ids:
            await cluster.settled(server_id)
        for server_id in ids:
            await CASES["stop"].begins(cluster, server_id)
        rows = await cluster.pool.fetch("select id, server_uuid from workflows")
        for row in rows:
            wake_up = RunWorkflow(workflow_id=row["id"], server_uuid=str(row["server_uuid"]))
            await cluster.members["api"].bus.publish(CONDUCTOR, wake_up)
        await cluster.stop_member("conductor")
        left = await cluster.pool.fetchval(
            "select count(*) from workflows where lease_expires_at > now()"
        )
        assert left == 0, "nothing waits for a lease to run out"
        await cluster.start_conductor()
        for server_id in ids:
            server = await cluster.settled(server_id, 10)
            assert server is not None
            assert server["status"] == "SHUTOFF"
        await cluster.assert_sound()


async def test_a_backlog_is_worked_off_as_fast_as_it_can_be(
    database_url: str, tmp_path: Path
) -> None:
    settings = {"conductor": {"max_workflows": 4, "sweep_interval_s": 5.0}}
    async with running_cluster(database_url, tmp_path, **settings) as cluster:
        await cluster.create_server(min_count=40)

        async def built() -> bool:
            query = "select count(*) from servers where vm_state = 'active'"
            return int(await cluster.pool.fetchval(query)) == 40

        await wait_for(built, 10, "all to be built although the sweep comes every 5 s")
        await cluster.assert_sound()
