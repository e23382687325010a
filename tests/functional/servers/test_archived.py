"""What the API says of deleted servers before and after they are archived."""

from __future__ import annotations

from common.db.stores import archive
from tests.functional.servers.conftest import Stack


async def test_deleted_servers_are_shown_as_far_as_they_are_not_archived(stack: Stack) -> None:
    deleted_at = await stack.pool.fetchval("select now() - interval '1 minute'")
    alive = await stack.server(name="alive")
    for name in ("first", "second"):
        gone = await stack.server(name=name, vm_state="deleted", deleted_at=deleted_at)
        await stack.pool.execute(
            "insert into instance_actions (server_uuid, action, request_id) "
            "values ($1::uuid, 'delete', 'req-1')",
            gone,
        )

    async def shown() -> list[str]:
        since = "/servers?changes-since=2020-01-01T00:00:00Z&sort_key=display_name&sort_dir=asc"
        return [s["name"] for s in (await stack.call("GET", since, user="demo")).body["servers"]]

    async def actions() -> int:
        path = f"/servers/{gone}/os-instance-actions"
        return (await stack.call("GET", path, user="demo")).status

    assert (await shown(), await actions()) == (["alive", "first", "second"], 200)
    before = await archive.deleted_before(stack.pool, 0)
    moved = archive.batches(stack.pool, before, batch=1, most=2, keep=True)
    assert [batch.servers async for batch in moved] == [1, 1]
    assert (await shown(), await actions()) == (["alive"], 404)
    assert (await stack.show(alive))["name"] == "alive"
