"""A database session that dies is nobody's fault: what it served is repeated, not failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cluster import running_cluster

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
