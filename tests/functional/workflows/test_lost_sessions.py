"""A database session that dies is nobody's fault: what it served is repeated, not failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional.workflows.test_every_step import CASES
from tests.support.cluster import running_cluster
from tests.support.wait import wait_for

DEATHS = 12

FAULT = """
create sequence deaths;
create function die() returns trigger language plpgsql as $$
begin
    -- a sequence counts on although its transaction is rolled back
    if nextval('deaths') % 2 = 0 and (select last_value from deaths) <= 2 * {deaths} then
        perform pg_terminate_backend(pg_backend_pid());
    end if;
    return null;
end $$;
create trigger die after insert or update or delete on {table}
    for each statement execute function die();
"""
"""Every second statement that writes to the table loses its session, {deaths} times."""


@pytest.mark.parametrize("table", ["workflows", "allocations", "servers"])
async def test_servers_come_and_go_although_sessions_die_under_them(
    database_url: str, tmp_path: Path, table: str
) -> None:
    async with running_cluster(database_url, tmp_path) as cluster:
        servers = [await cluster.create_server() for _ in range(6)]
        for server in servers[:3]:
            await cluster.settled(server)
        await cluster.pool.execute(FAULT.format(table=table, deaths=DEATHS))
        for server in servers[:3]:
            while True:
                status, _ = await cluster.request("DELETE", f"/servers/{server}")
                assert status in (204, 404, 503), status
                if status != 503:
                    break
        while len(servers) < 9:
            body = {
                "name": f"s{len(servers)}",
                "flavorRef": "1",
                "imageRef": await cluster.image_id(),
                "networks": [{"uuid": await cluster.network_id()}],
            }
            status, answer = await cluster.request("POST", "/servers", {"server": body})
            assert status in (202, 503), answer
            if status == 202:
                servers.append(answer["server"]["id"])
        shown = [await cluster.settled(server, 30) for server in servers]
        assert shown[:3] == [None] * 3
        states = [s and (s["status"], s.get("fault")) for s in shown[3:]]
        assert states == [("ACTIVE", None)] * 6
        assert await cluster.pool.fetchval("select last_value from deaths") >= 6, "sessions died"
        await cluster.assert_sound()


async def test_a_live_migration_is_watched_on_after_a_lost_session(
    database_url: str, tmp_path: Path
) -> None:
    """Progress is written while memory is copied; a write whose session dies must not be the last,
    or nobody passes on that the migration is to be aborted."""
    slow = {"compute": {"simulated": {"spawn_delay_s": 4.0, "delay_jitter": 0.0}}}
    async with running_cluster(database_url, tmp_path, **slow) as cluster:
        server_id = await cluster.create_server()
        server = await cluster.settled(server_id)
        assert server is not None
        await CASES["live_migrate"].begins(cluster, server_id)

        async def migration() -> dict[str, object]:
            row = await cluster.pool.fetchrow("select id, status, details from migrations")
            return dict(row)

        async def copying() -> bool:
            return (await migration())["status"] == "running"

        await wait_for(copying, 10, "memory to be copied")
        await cluster.pool.execute(FAULT.format(table="migrations", deaths=1))

        async def died() -> bool:
            return int(await cluster.pool.fetchval("select last_value from deaths")) >= 2

        await wait_for(died, 10, "a session to die")
        number = (await migration())["id"]
        status, body = await cluster.request(
            "DELETE", f"/servers/{server_id}/migrations/{number}", version="2.65"
        )
        assert status == 202, body
        shown = await cluster.settled(server_id, 20)
        assert shown is not None
        assert (await migration())["status"] == "cancelled", await migration()
        assert shown["OS-EXT-SRV-ATTR:host"] == server["OS-EXT-SRV-ATTR:host"]
        await cluster.assert_sound()
