"""Times, numbers and ids at their edges: found or refused, never a failure of ours."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from common.db import patterns
from services.api.handlers import all_operations
from tests.functional.servers.conftest import Stack

LATE_IN_A_SECOND = dt.datetime(2026, 3, 1, 12, 0, 0, 700_000, tzinfo=dt.UTC)
DIGITS = "9" * 4301
"""Python converts no more than 4,300."""
OUT_OF_RANGE = quote("0001-01-01T00:00:00+23:00")


async def test_a_server_is_found_by_its_own_time(stack: Stack) -> None:
    server_id = await stack.server(
        name="late", created_at=LATE_IN_A_SECOND, updated_at=LATE_IN_A_SECOND
    )
    updated = (await stack.show(server_id))["updated"]
    for query in (
        f"changes-since={updated}",
        f"changes-before={updated}",
        f"changes-since={updated}&changes-before={updated}",
    ):
        answer = await stack.call("GET", f"/servers?name=late&{query}", user="demo")
        assert [server["id"] for server in answer.body["servers"]] == [server_id], query
    answer = await stack.call(
        "GET", "/servers?name=late&changes-before=2026-03-01T11:59:59Z", user="demo"
    )
    assert answer.body["servers"] == []


async def test_so_is_what_was_done_to_it(stack: Stack) -> None:
    server_id = await stack.server()
    await stack.pool.execute(
        "insert into instance_actions (server_uuid, action, request_id, start_time, updated_at) "
        "values ($1, 'create', 'req-1', $2, $2)",
        server_id,
        LATE_IN_A_SECOND,
    )
    path = f"/servers/{server_id}/os-instance-actions?changes-before=2026-03-01T12:00:00Z"
    answer = await stack.call("GET", path, user="demo")
    assert len(answer.body["instanceActions"]) == 1


async def test_so_is_a_migration(stack: Stack) -> None:
    await stack.pool.execute(
        "insert into migrations (uuid, server_uuid, migration_type, status, user_id, project_id, "
        "created_at, updated_at) "
        "values (gen_random_uuid(), gen_random_uuid(), 'resize', 'done', 'u', 'p', $1, $1)",
        LATE_IN_A_SECOND,
    )
    query = "changes-since=2026-03-01T12:00:00Z&changes-before=2026-03-01T12:00:00Z"
    answer = await stack.call("GET", f"/os-migrations?{query}")
    assert len(answer.body["migrations"]) == 1


@pytest.mark.parametrize("path", ["/servers", "/servers/detail", "/os-migrations"])
@pytest.mark.parametrize("name", ["changes-since", "changes-before"])
async def test_times_before_all_times(stack: Stack, path: str, name: str) -> None:
    answer = await stack.call("GET", f"{path}?{name}={OUT_OF_RANGE}")
    assert answer.status == 400


@pytest.mark.parametrize(
    "path",
    ["/servers", "/servers/detail", "/os-migrations", "/flavors", "/os-hypervisors",
     "/os-keypairs"],
)  # fmt: skip
@pytest.mark.parametrize("marker", [str(uuid4()).upper(), uuid4().hex, "Nonsense", "999999"])
async def test_a_marker_is_repeated_as_it_was_given(stack: Stack, path: str, marker: str) -> None:
    answer = await stack.call("GET", f"{path}?marker={marker}")
    assert (answer.status, answer.fault()) == (400, f"marker [{marker}] not found")


@pytest.mark.parametrize("v", [1, 104])
async def test_private_names_are_no_filters(stack: Stack, v: int) -> None:
    assert (await stack.call("GET", "/servers?_foo=1", v=v)).status == 400
    assert (await stack.call("GET", "/servers?_foo=1", v=v, user="demo")).status == 200


@pytest.mark.parametrize(
    "path",
    sorted({each.path for each in all_operations() if "{" in each.path and each.method == "GET"}),
)
async def test_endless_numbers_in_paths(stack: Stack, path: str) -> None:
    for v in (1, 104):
        answer = await stack.call("GET", re.sub(r"\{\w+\}", DIGITS, path), v=v)
        assert answer.status < 500, answer.body


@pytest.mark.parametrize(
    "query",
    ["minRam", "minDisk", "limit", "marker"],
)
async def test_endless_numbers_in_queries(stack: Stack, query: str) -> None:
    answer = await stack.call("GET", f"/flavors?{query}={DIGITS}")
    expected: tuple[int, Any] = (200, []) if query.startswith("min") else (400, None)
    assert (answer.status, answer.body.get("flavors")) == expected


@pytest.mark.parametrize(
    ("ram", "status"), [(512, 200), ("512", 200), (512.0, 400), ("512.0", 400), (DIGITS, 400)]
)
async def test_whole_numbers(stack: Stack, ram: Any, status: int) -> None:
    flavor = {"name": f"whole-{uuid4()}", "ram": ram, "vcpus": 1, "disk": 0}
    assert (await stack.call("POST", "/flavors", {"flavor": flavor})).status == status


async def test_ids_in_capitals(stack: Stack) -> None:
    body = {"port": {"network_id": stack.private, "project_id": stack.projects["demo"]}}
    port = (await stack.neighbour("network", "/v2.0/ports", method="POST", body=body))["port"]
    server_id = await stack.created(
        imageRef=stack.image.upper(), networks=[{"port": port["id"].upper()}]
    )
    row = await stack.row(server_id)
    assert (row["requested_networks"][0]["port"], row["image_ref"]) == (port["id"], stack.image)
    server_id = await stack.created(networks=[{"uuid": stack.private.upper()}])
    row = await stack.row(server_id)
    assert row["requested_networks"][0]["uuid"] == stack.private


SLOW = quote(r"^(.+)(.+)(.+)\3\2\1$")
"""References to what was found before make PostgreSQL try everything where they do not match: here
because the text has an odd length."""


@pytest.mark.parametrize(
    "path", ["/servers?name={}", "/servers/detail?name={}", "/flavors?name={}"]
)
async def test_patterns_that_take_long(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(patterns, "TIMEOUT_S", 0.05)
    text = "a" * 601
    await stack.server(user="admin", name=text)
    await stack.pool.execute(
        "insert into flavors (flavorid, name, memory_mib, vcpus, root_gib) "
        "values ('slow', $1, 1, 1, 0) on conflict do nothing",
        text,
    )
    answer = await stack.call("GET", path.format(SLOW))
    assert (answer.status, answer.fault()) == (
        400,
        "A filter takes more than 0.05 s to be held against all values.",
    )
    answer = await stack.call("GET", path.format("^b$"))
    assert answer.status == 200, "only the statement was ended"
