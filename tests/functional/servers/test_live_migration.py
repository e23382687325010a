"""Live migration: what each version means, and what operators see and ask of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.servers.conftest import Stack

BOTH = {"block_migration": False, "disk_over_commit": False}


@pytest.fixture(scope="module", autouse=True)
async def hosts(stack: Stack) -> None:
    await stack.add_host("up")
    await stack.add_host("other")
    await stack.add_host("down", fresh=False)


async def migrate(stack: Stack, v: int, *, source: str = "up", **fields: Any) -> tuple[str, Any]:
    server_id = await stack.server(host=source, node=source, generation=2)
    return server_id, await stack.action(server_id, {"os-migrateLive": fields}, user="admin", v=v)


@pytest.mark.parametrize(
    ("v", "fields", "force"),
    [
        (1, {**BOTH, "host": None}, False),
        (24, {**BOTH, "host": "other"}, True),
        (25, {"block_migration": "auto", "host": "other"}, True),
        (29, {"block_migration": True, "host": "other"}, True),
        (30, {"block_migration": "auto", "host": "other"}, False),
        (30, {"block_migration": "auto", "host": "other", "force": "no"}, False),
        (67, {"block_migration": "auto", "host": "other", "force": True}, True),
        (68, {"block_migration": "auto", "host": "other"}, False),
        (104, {"block_migration": "auto", "host": None}, False),
    ],
)
async def test_meaning_of_host_and_force(
    stack: Stack, v: int, fields: dict[str, Any], force: bool
) -> None:
    server_id, answer = await migrate(stack, v, **fields)
    assert (answer.status, answer.body) == (202, b"")
    (workflow,) = await stack.workflows(server_id)
    row = await stack.pool.fetchrow(
        "select * from migrations where server_uuid = $1::uuid", server_id
    )
    assert workflow["state"] == {
        "host": fields["host"],
        "force": force,
        "migration_uuid": str(row["uuid"]),
        "checked_first": v < 34,
    }
    assert (row["migration_type"], row["status"]) == ("live-migration", "accepted")
    assert (row["source_compute"], row["source_generation"]) == ("up", 2)
    assert row["dest_compute"] == fields["host"]
    assert (await stack.show(server_id))["status"] == "MIGRATING"


@pytest.mark.parametrize(
    ("v", "source", "fields", "words"),
    [
        (24, "up", {"block_migration": False, "host": None}, "'disk_over_commit' is a required"),
        (24, "up", {**BOTH, "block_migration": "auto", "host": None}, "block_migration"),
        (25, "up", {**BOTH, "host": None}, "'disk_over_commit' was unexpected"),
        (25, "up", {"block_migration": "auto"}, "'host' is a required property"),
        (29, "up", {"block_migration": "auto", "host": None, "force": True}, "'force' was"),
        (30, "up", {"block_migration": "auto", "host": None, "force": True}, "non-provided"),
        (68, "up", {"block_migration": "auto", "host": None, "force": True}, "'force' was"),
        (104, "up", {"block_migration": "auto", "host": "nowhere"}, "nowhere could not be found"),
        (33, "down", {"block_migration": "auto", "host": None}, "down is unavailable"),
        (33, "up", {"block_migration": "auto", "host": "down"}, "down is unavailable"),
        (33, "up", {"block_migration": "auto", "host": "up"}, "to its own host"),
    ],
)
async def test_refused(
    stack: Stack, v: int, source: str, fields: dict[str, Any], words: str
) -> None:
    server_id, answer = await migrate(stack, v, source=source, **fields)
    assert answer.status == 400, answer.body
    assert words in answer.fault()
    assert (await stack.row(server_id))["task_state"] is None
    assert not await stack.workflows(server_id)


@pytest.mark.parametrize(("source", "host"), [("down", None), ("up", "down"), ("up", "up")])
async def test_hosts_are_checked_later_from_2_34(
    stack: Stack, source: str, host: str | None
) -> None:
    _, answer = await migrate(stack, 34, source=source, block_migration="auto", host=host)
    assert answer.status == 202


async def test_a_host_is_for_administrators(stack: Stack) -> None:
    server_id = await stack.server(host="up")
    argument = {"block_migration": "auto", "host": "other"}
    answer = await stack.action(server_id, {"os-migrateLive": argument})
    assert answer.status == 403
    assert "migrate_live:host" in answer.fault()


async def under_way(
    stack: Stack, status: str = "running", kind: str = "live-migration", **details: Any
) -> tuple[str, int]:
    server_id = await stack.server(host="up", task_state="migrating")
    number = await stack.pool.fetchval(
        "insert into migrations (uuid, server_uuid, migration_type, status, source_compute, "
        "source_node, dest_compute, dest_node, user_id, project_id, details) values "
        "(gen_random_uuid(), $1::uuid, $2, $3, 'up', 'up', 'other', 'other', 'u', $4, $5) "
        "returning id",
        server_id, kind, status, stack.projects["demo"], details,
    )  # fmt: skip
    return server_id, number


class TestOfOneServer:
    async def test_fields(self, stack: Stack) -> None:
        server_id, number = await under_way(
            stack, memory_total_bytes=100, memory_processed_bytes=40
        )
        for v in (23, 58, 59, 79, 80, 104):
            path = f"/servers/{server_id}/migrations"
            shown = (await stack.call("GET", f"{path}/{number}", v=v)).body["migration"]
            (listed,) = (await stack.call("GET", path, v=v)).body["migrations"]
            assert shown == listed
            expected = {
                "id", "status", "server_uuid", "created_at", "updated_at", "source_compute",
                "source_node", "dest_compute", "dest_node", "dest_host", "memory_total_bytes",
                "memory_processed_bytes", "memory_remaining_bytes", "disk_total_bytes",
                "disk_processed_bytes", "disk_remaining_bytes",
            }  # fmt: skip
            expected |= {"uuid"} if v >= 59 else set()
            expected |= {"user_id", "project_id"} if v >= 80 else set()
            assert set(shown) == expected
        assert (shown["memory_remaining_bytes"], shown["disk_total_bytes"]) == (60, None)
        assert (shown["source_compute"], shown["updated_at"]) == ("up", shown["created_at"])

    @pytest.mark.parametrize(
        ("status", "kind", "listed", "shown"),
        [
            ("accepted", "live-migration", 1, 404),
            ("preparing", "live-migration", 1, 200),
            ("running", "live-migration", 1, 200),
            ("completed", "live-migration", 0, 404),
            ("cancelled", "live-migration", 0, 404),
            ("error", "live-migration", 0, 404),
            ("running", "evacuation", 0, 404),
        ],
    )
    async def test_only_live_ones_under_way(
        self, stack: Stack, status: str, kind: str, listed: int, shown: int
    ) -> None:
        server_id, number = await under_way(stack, status, kind)
        path = f"/servers/{server_id}/migrations"
        assert len((await stack.call("GET", path)).body["migrations"]) == listed
        assert (await stack.call("GET", f"{path}/{number}")).status == shown

    async def test_not_before_2_23(self, stack: Stack) -> None:
        server_id, number = await under_way(stack)
        path = f"/servers/{server_id}/migrations"
        assert (await stack.call("GET", path, v=22)).status == 404
        assert (await stack.call("GET", f"{path}/{number}", v=22)).status == 404
        assert (await stack.call("DELETE", f"{path}/{number}", v=23)).status == 404
        body = {"force_complete": None}
        answer = await stack.call("POST", f"{path}/{number}/action", body, v=21)
        assert answer.status == 404
        answer = await stack.call("POST", f"{path}/{number}/action", {"stop": None}, v=22)
        assert answer.status == 400

    async def test_unknown_ones(self, stack: Stack) -> None:
        server_id, _ = await under_way(stack)
        _, foreign = await under_way(stack)
        for number in ("x", "999999999", "9" * 30, str(foreign), "-1"):
            path = f"/servers/{server_id}/migrations/{number}"
            assert (await stack.call("GET", path)).status == 404
            assert (await stack.call("DELETE", path)).status == 404
            answer = await stack.call("POST", f"{path}/action", {"force_complete": None})
            assert answer.status == 400

    async def test_asked_for(self, stack: Stack) -> None:
        server_id, number = await under_way(stack)
        path = f"/servers/{server_id}/migrations/{number}"
        for _ in range(2):
            answer = await stack.call("POST", f"{path}/action", {"force_complete": None}, v=22)
            assert (answer.status, answer.body) == (202, b"")
        assert (await stack.call("DELETE", path, v=24)).status == 202
        details = await stack.pool.fetchval("select details from migrations where id = $1", number)
        assert details == {"asked_for": ["force_complete", "abort"]}
        assert await stack.actions(server_id) == [
            "live_migration_force_complete", "live_migration_force_complete",
            "live_migration_cancel",
        ]  # fmt: skip
        events = await stack.pool.fetch(
            "select event, result from instance_action_events e join instance_actions a "
            "on a.id = e.action_id where a.server_uuid = $1::uuid order by e.id",
            server_id,
        )
        assert [tuple(e) for e in events[1:]] == [
            ("compute_live_migration_force_complete", "Success"),
            ("compute_live_migration_abort", "Success"),
        ]

    @pytest.mark.parametrize(
        ("status", "v", "aborted", "forced"),
        [
            ("accepted", 104, 400, 400),
            ("queued", 64, 400, 400),
            ("queued", 65, 202, 400),
            ("preparing", 64, 400, 400),
            ("preparing", 104, 202, 400),
            ("running", 24, 202, 202),
            ("completed", 104, 400, 400),
        ],
    )
    async def test_when(self, stack: Stack, status: str, v: int, aborted: int, forced: int) -> None:
        server_id, number = await under_way(stack, status)
        path = f"/servers/{server_id}/migrations/{number}"
        assert (await stack.call("DELETE", path, v=v)).status == aborted
        answer = await stack.call("POST", f"{path}/action", {"force_complete": None}, v=v)
        assert answer.status == forced

    async def test_who(self, stack: Stack) -> None:
        server_id, number = await under_way(stack)
        path = f"/servers/{server_id}/migrations"
        for method, where in (("GET", path), ("GET", f"{path}/{number}"),
                              ("DELETE", f"{path}/{number}")):  # fmt: skip
            assert (await stack.call(method, where, user="demo")).status == 403
            assert (await stack.call(method, where, user="other")).status == 404
