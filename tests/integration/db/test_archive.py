"""What `muster db archive` moves, what it leaves, and that a run may end anywhere."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any
from uuid import UUID

import pytest

from common.db.pool import Pool
from common.db.stores import archive
from common.db.stores.archive import Moved
from deploy.local.home import ROOT
from tests.support.wait import wait_for

SERVER = """
insert into servers (uuid, project_id, user_id, name, hostname, reservation_id, vm_state, flavor,
                     flavorid, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, host,
                     deleted_at)
values (gen_random_uuid(), 'p', 'u', 's', 's', 'r', $2, '{}', '1', 1, 512, 1, 0, 0, $3,
        now() - make_interval(days => $1))
returning uuid
"""
HISTORY = """
with ac as (
    insert into instance_actions (server_uuid, action, request_id)
    select $1, name, 'req-' || name from unnest('{create,delete}'::text[]) as name
    returning id
), ev as (
    insert into instance_action_events (action_id, event)
    select id, event from ac, unnest('{one,two}'::text[]) as event
)
insert into migrations (uuid, server_uuid, migration_type, status)
values (gen_random_uuid(), $1, 'resize', 'confirmed')
"""
TABLES = ("servers", "instance_actions", "instance_action_events", "migrations", "archived_servers",
          "archived_instance_actions", "archived_migrations")  # fmt: skip


async def server(pool: Pool, days: int | None = 40, host: str | None = "compute-1") -> UUID:
    """Deleted so many days ago, or alive; with two actions of two events and a migration."""
    state = "active" if days is None else "deleted"
    uuid: UUID = await pool.fetchval(SERVER, days, state, host)
    await pool.execute(HISTORY, uuid)
    return uuid


async def rows(pool: Pool) -> list[int]:
    return [await pool.fetchval(f"select count(*) from {table}") for table in TABLES]


async def archived(pool: Pool, days: float = 30, **options: Any) -> Moved:
    before = await archive.deleted_before(pool, days)
    chosen = {"batch": 100, "most": None, "keep": True, **options}
    return sum([m async for m in archive.batches(pool, before, **chosen)], Moved())


async def test_old_deleted_servers_go_with_their_history(pool: Pool) -> None:
    old, young, alive = await server(pool), await server(pool, 5), await server(pool, None)
    assert await archived(pool) == Moved(servers=1, instance_actions=2, events=4, migrations=1)
    assert await rows(pool) == [2, 4, 8, 2, 1, 2, 1]
    left = {row["uuid"] for row in await pool.fetch("select uuid from servers")}
    assert left == {young, alive}
    kept = await pool.fetchrow("select uuid, project_id, row from archived_servers")
    assert (kept["uuid"], kept["project_id"], kept["row"]["name"]) == (old, "p", "s")
    back = "select (jsonb_populate_record(null::servers, row)).uuid from archived_servers"
    assert await pool.fetchval(back) == old
    actions = await pool.fetch("select row from archived_instance_actions")
    for action in actions:
        assert [event["event"] for event in action["row"]["events"]] == ["one", "two"]
    assert await archived(pool) == Moved(), "again: nothing is left to do"


async def test_deleting_keeps_nothing(pool: Pool) -> None:
    await server(pool)
    assert (await archived(pool, keep=False)).servers == 1
    assert await rows(pool) == [0] * len(TABLES)


WORKFLOW = (
    "insert into workflows (kind, server_uuid, request_id, deadline_at) "
    "values ('delete', $1, 'r', now())"
)
LEFTOVER = "insert into leftovers (server_uuid, kind, reason) values ($1, 'ports', 'away')"
EVACUATION = (
    "insert into migrations (uuid, server_uuid, migration_type, status) "
    "values (gen_random_uuid(), $1, 'evacuation', 'done')"
)
RESIZE = "update migrations set status = 'migrating' where server_uuid = $1"
SILENT_HOST = (
    "insert into services (uuid, host, binary_name, last_seen_up) "
    "select gen_random_uuid(), host, 'nova-compute', deleted_at - interval '1 hour' "
    "from servers where uuid = $1"
)


@pytest.mark.parametrize(
    ("unsettled", "settles"),
    [
        (WORKFLOW, "delete from workflows"),
        (LEFTOVER, "delete from leftovers"),
        (EVACUATION, "update migrations set status = 'completed'"),
        (RESIZE, "update migrations set status = 'error'"),
        (SILENT_HOST, "update services set last_seen_up = now()"),
    ],
    ids=["workflow", "leftover", "evacuation", "migration", "host not heard of since"],
)
async def test_what_is_not_settled_stays(pool: Pool, unsettled: str, settles: str) -> None:
    uuid = await server(pool)
    await pool.execute(unsettled, uuid)
    before = await rows(pool)
    assert await archived(pool) == Moved()
    assert await rows(pool) == before
    assert await archive.remaining(pool, await archive.deleted_before(pool, 30)) == 1
    await pool.execute(settles)
    assert (await archived(pool)).servers == 1


async def test_batches_are_bounded_and_begin_with_the_oldest(pool: Pool) -> None:
    by_age = [await server(pool, days) for days in range(50, 40, -1)]
    before = await archive.deleted_before(pool, 30)
    sizes = [m.servers async for m in archive.batches(pool, before, batch=3, most=7, keep=True)]
    assert sizes == [3, 3, 1]
    gone = {row["uuid"] for row in await pool.fetch("select uuid from archived_servers")}
    assert gone == set(by_age[:7])


async def test_runs_side_by_side_share_the_work(pool: Pool) -> None:
    for _ in range(40):
        await server(pool)
    found = await asyncio.gather(*(archived(pool, batch=3) for _ in range(4)))
    assert sum(found, Moved()) == Moved(40, 80, 160, 40)
    assert await rows(pool) == [0, 0, 0, 0, 40, 80, 40]


async def command(url: str, *arguments: str, **variables: str) -> asyncio.subprocess.Process:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "db", "archive", *arguments,
        cwd=ROOT,
        env={**environment, "MUSTER_DATABASE__URL": url, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def said(url: str, *arguments: str, **variables: str) -> tuple[int | None, str, str]:
    process = await command(url, *arguments, **variables)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_says_what_it_did(pool: Pool, database_url: str) -> None:
    for days in (5, 40, 40, 40):
        await server(pool, days)
    code, out, _ = await said(database_url, "--most", "1", "--json")
    result = json.loads(out)
    assert (code, result["servers"], result["remaining"]) == (0, 1, 2)
    assert result["stopped_by"] == "most"
    code, out, _ = await said(database_url, "--max-seconds", "0.000001", "--batch", "1")
    assert (code, "Archived 1 servers" in out, "1 more stay" in out) == (0, True, True)
    code, out, _ = await said(database_url, MUSTER_DATABASE__ARCHIVE_AFTER_DAYS="3.5")
    assert (code, "Archived 2 servers" in out) == (0, True)
    code, out, _ = await said(database_url, "--older-than", "0", "--delete")
    assert (code, "Deleted 0 servers" in out) == (0, True)
    assert await rows(pool) == [0, 0, 0, 0, 4, 8, 4]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_the_command_may_be_ended_at_any_moment(
    pool: Pool, database_url: str, number: signal.Signals
) -> None:
    count = 300
    await pool.execute(
        "with sv as (insert into servers (uuid, project_id, user_id, name, hostname, "
        "reservation_id, vm_state, flavor, flavorid, vcpus, memory_mib, root_gib, ephemeral_gib, "
        "swap_mib, deleted_at) select gen_random_uuid(), 'p', 'u', 's', 's', 'r', 'deleted', '{}', "
        "'1', 1, 1, 1, 0, 0, now() - interval '40 days' from generate_series(1, $1::integer) "
        "returning uuid) insert into instance_actions (server_uuid, action, request_id) "
        "select uuid, 'create', 'r' from sv",
        count,
    )
    process = await command(database_url, "--batch", "1")
    await wait_for(lambda: pool.fetchval("select count(*) > 5 from archived_servers"))
    process.send_signal(number)
    out, err = await process.communicate()
    assert b"Traceback" not in err
    if number is signal.SIGINT:
        assert (process.returncode, b"run it again" in out) == (130, True)
    left, actions, *_, moved, moved_actions, _ = await rows(pool)
    assert left > 0, "it was interrupted"
    assert (left + moved, actions, moved_actions) == (count, left, moved)
    code, _, _ = await said(database_url)
    assert (code, await rows(pool)) == (0, [0, 0, 0, 0, count, count, 0])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--older-than", "-1"], "--older-than takes"),
        (["--older-than", "nan"], "--older-than takes"),
        (["--older-than", "soon"], "soon"),
        (["--batch", "0"], "--batch takes"),
        (["--most", "0"], "--most must"),
        (["--max-seconds", "0"], "--max-seconds must"),
        (["--delete", "--to-tables"], "exclude"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    database_url: str, arguments: list[str], complaint: str
) -> None:
    code, _, err = await said(database_url, *arguments)
    assert (code, complaint in err, err.count("\n")) == (2, True, 1)


async def test_a_database_without_our_schema_is_left_alone(postgres_server: str) -> None:
    code, _, err = await said(postgres_server)
    assert (code, "run ./muster db upgrade" in err) == (1, True)
