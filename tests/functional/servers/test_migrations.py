"""GET /os-migrations: filters, pages, fields, and who sees what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.servers.conftest import Stack
from tests.functional.servers.test_matrix import _manager

LIVE, COLD = "live-migration", "migration"
A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"
ROWS: list[dict[str, Any]] = [
    {"server_uuid": A, "migration_type": "resize", "status": "confirmed", "updated": 1},
    {"server_uuid": A, "migration_type": LIVE, "status": "running", "updated": 2},
    {"server_uuid": B, "migration_type": COLD, "status": "finished", "source_compute": "h2",
     "dest_compute": "h1", "updated": 3},
    {"server_uuid": B, "migration_type": "evacuation", "status": "done", "user_id": "u2",
     "updated": 4},
    {"server_uuid": B, "migration_type": LIVE, "status": "completed", "project_id": "<other>"},
    {"server_uuid": B, "migration_type": COLD, "status": "error", "hidden": True},
]  # fmt: skip
"""Oldest first; minute of the last change, null for none."""


@pytest.fixture(scope="module", autouse=True)
async def rows(stack: Stack) -> None:
    await _manager(stack)
    for n, row in enumerate(ROWS):
        values = {
            "source_compute": "h1", "source_node": "h1", "dest_compute": "h2", "dest_node": "h2",
            "user_id": "u1", "project_id": "<demo>", "hidden": False, **row,
        }  # fmt: skip
        values["project_id"] = stack.projects[values["project_id"].strip("<>")]
        minute = values.pop("updated", None)
        names = ", ".join(values)
        holes = ", ".join(f"${k}" for k in range(1, len(values) + 1))
        await stack.pool.execute(
            f"insert into migrations (uuid, {names}, created_at, updated_at) "
            f"values (gen_random_uuid(), {holes}, timestamptz '2026-01-01 00:00Z' "
            f"+ interval '{n} hours', "
            + (f"timestamptz '2026-02-01 00:{minute:02}Z')" if minute else "null)"),
            *values.values(),
        )


async def find(stack: Stack, query: str = "", *, user: str = "admin", v: int = 104) -> list[int]:
    """Which of `ROWS`, in the order of the answer."""
    answer = await stack.call("GET", f"/os-migrations{query}", user=user, v=v)
    assert answer.status == 200, answer.body
    return [hour(migration) for migration in answer.body["migrations"]]


def hour(migration: dict[str, Any]) -> int:
    return int(migration["created_at"][11:13])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [4, 3, 2, 1, 0]),
        ("?hidden=true", [5]),
        ("?hidden=0", [4, 3, 2, 1, 0]),
        (f"?instance_uuid={A}", [1, 0]),
        ("?instance_uuid=nonsense", []),
        ("?host=h1", [4, 3, 2, 1, 0]),
        ("?source_compute=h2", [2]),
        ("?status=done", [3]),
        ("?status=DONE", []),
        ("?migration_type=live-migration", [4, 1]),
        ("?migration_type=evacuation&status=done", [3]),
        ("?user_id=u2", [3]),
        ("?changes-since=2026-02-01T00:02:00Z", [3, 2, 1]),
        ("?changes-before=2026-02-01T00:02:00Z", [1, 0]),
        ("?changes-since=2026-02-01T00:02:00Z&changes-before=2026-02-01T00:03:00Z", [2, 1]),
        ("?limit=2", [4, 3]),
        ("?limit=0", []),
    ],
)
async def test_filters(stack: Stack, query: str, expected: list[int]) -> None:
    assert await find(stack, query) == expected


async def test_projects(stack: Stack) -> None:
    other = stack.projects["other"]
    assert await find(stack, f"?project_id={other}") == [4]
    assert await find(stack, user="manager") == [3, 2, 1, 0]
    assert await find(stack, f"?project_id={stack.projects['demo']}", user="manager") == [
        3,
        2,
        1,
        0,
    ]
    answer = await stack.call("GET", f"/os-migrations?project_id={other}", user="manager")
    assert answer.status == 403
    assert "index:all_projects" in answer.fault()
    assert (await stack.call("GET", "/os-migrations", user="demo")).status == 403


async def test_hosts_are_for_administrators(stack: Stack) -> None:
    answer = await stack.call("GET", "/os-migrations", user="manager")
    hosts = ("source_compute", "source_node", "dest_compute", "dest_node", "dest_host")
    for migration in answer.body["migrations"]:
        assert [migration[name] for name in hosts] == [None] * 5
    for name in ("host", "source_compute"):
        answer = await stack.call("GET", f"/os-migrations?{name}=h1", user="manager")
        assert answer.status == 403


async def test_pages(stack: Stack) -> None:
    seen: list[int] = []
    path = "/os-migrations?limit=2"
    while path:
        body = (await stack.call("GET", path)).body
        seen += [hour(migration) for migration in body["migrations"]]
        (link,) = body.get("migrations_links", [None])
        path = link["href"].partition("/v2.1")[2] if link else ""
    assert seen == [4, 3, 2, 1, 0]
    for marker in ("nonsense", A):
        answer = await stack.call("GET", f"/os-migrations?marker={marker}")
        assert (answer.status, answer.fault()) == (400, f"marker [{marker}] not found")


async def test_a_marker_of_another_project_is_unknown(stack: Stack) -> None:
    newest = (await stack.call("GET", "/os-migrations?limit=1")).body["migrations"][0]
    path = f"/os-migrations?marker={newest['uuid']}"
    assert (await stack.call("GET", path)).status == 200
    assert (await stack.call("GET", path, user="manager")).status == 400


FIELDS = {
    "id", "status", "instance_uuid", "source_compute", "source_node", "dest_compute", "dest_node",
    "dest_host", "old_instance_type_id", "new_instance_type_id", "created_at", "updated_at",
}  # fmt: skip


@pytest.mark.parametrize("v", [1, 22, 23, 58, 59, 79, 80, 104])
async def test_fields(stack: Stack, v: int) -> None:
    expected = set(FIELDS)
    expected |= {"migration_type"} if v >= 23 else set()
    expected |= {"uuid"} if v >= 59 else set()
    expected |= {"user_id", "project_id"} if v >= 80 else set()
    body = (await stack.call("GET", "/os-migrations", v=v)).body
    running = [m for m in body["migrations"] if m["status"] == "running"]
    for migration in body["migrations"]:
        with_links = v >= 23 and migration in running
        assert set(migration) == expected | ({"links"} if with_links else set())
    if v >= 23:
        path = f"/servers/{A}/migrations/{running[0]['id']}"
        assert [link["href"].partition("127.0.0.1")[2].partition("/")[2] for link
                in running[0]["links"]] == [f"v2.1{path}", path[1:]]  # fmt: skip


@pytest.mark.parametrize(
    ("v", "query", "status"),
    [
        (58, "limit=1&changes-since=x&colour=red", 200),
        (59, "colour=red", 400),
        (59, "limit=-1", 400),
        (59, "limit=x", 400),
        (59, "limit=1&limit=2", 400),
        (59, "changes-since=x", 400),
        (65, "changes-before=2026-02-01T00:02:00Z", 400),
        (66, "changes-before=2026-02-01T00:02:00Z", 200),
        (66, "changes-before=2026-01-01T00:00:00Z&changes-since=2026-02-01T00:00:00Z", 400),
        (79, "user_id=u1", 400),
        (80, "user_id=u1&project_id=p", 200),
    ],
)
async def test_parameters_of_each_version(stack: Stack, v: int, query: str, status: int) -> None:
    answer = await stack.call("GET", f"/os-migrations?{query}", v=v)
    assert answer.status == status, answer.body
    if v == 58:
        assert len(answer.body["migrations"]) == 5
