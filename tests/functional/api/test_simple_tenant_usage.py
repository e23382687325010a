"""Usage of projects: counted from servers that run, are gone, are archived."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from common.db.stores import archive
from tests.functional.api.conftest import Answer, Deployment

pytestmark = pytest.mark.usefixtures("no_servers")
DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
async def no_servers(deployment: Deployment) -> None:
    for table in ("servers", "archived_servers"):
        await deployment.pool.execute(f"delete from {table}")


def at(hours: float) -> dt.datetime:
    return DAY + hours * HOUR


def text(hours: float) -> str:
    return at(hours).strftime("%Y-%m-%dT%H:%M:%S")


async def ask(
    deployment: Deployment, path: str = "", start: float = 0, end: float = 24, **more: Any
) -> Answer:
    query, kwargs = more.pop("query", ""), {"v": 104, **more}
    path = f"/os-simple-tenant-usage{path}?start={text(start)}&end={text(end)}{query}"
    return await deployment.call("GET", path, **kwargs)


async def server(deployment: Deployment, project: str, start: float, **columns: Any) -> str:
    """Of 2 CPUs, 100 MiB and 3 GiB, started at an hour of the day."""
    sizes = {"vcpus": 2, "memory_mib": 100, "root_gib": 1, "ephemeral_gib": 2}
    flavor = {"name": "m1.some"}
    columns = {"launched_at": at(start), "flavor": flavor, **sizes, **columns}
    return await deployment.add_server(project, None, **columns)


async def ended(deployment: Deployment, project: str, start: float, end: float) -> str:
    gone = {"terminated_at": at(end), "deleted_at": at(end), "vm_state": "deleted"}
    return await server(deployment, project, start, **gone)


async def test_hours_within_the_period(deployment: Deployment) -> None:
    whole = await server(deployment, "demo", -5)
    part = await ended(deployment, "demo", 20, 22)
    await ended(deployment, "demo", -9, -1)
    await server(deployment, "demo", 25)
    await deployment.add_server("demo", None, vm_state="building")
    project = deployment.projects["demo"]
    for user in ("demo", "admin"):
        answer = await ask(deployment, f"/{project}", user=user)
        usage = answer.body["tenant_usage"]
        assert (usage["tenant_id"], usage["total_hours"]) == (project, 26.0)
        assert usage["total_vcpus_usage"] == 52.0
        assert usage["total_memory_mb_usage"] == 2600.0
        assert usage["total_local_gb_usage"] == 78.0
        assert (usage["start"], usage["stop"]) == (f"{text(0)}.000000", f"{text(24)}.000000")
        servers = {each["instance_id"]: each for each in usage["server_usages"]}
        assert servers.keys() == {whole, part}
    running, gone = servers[whole], servers[part]
    assert (running["hours"], running["state"], running["ended_at"]) == (24.0, "active", None)
    assert (gone["hours"], gone["state"], gone["uptime"]) == (2.0, "terminated", 7200)
    assert gone["ended_at"] == f"{text(22)}.000000"
    assert (gone["flavor"], gone["local_gb"]) == ("m1.some", 3)


async def test_archived_servers_count_the_same(deployment: Deployment) -> None:
    await ended(deployment, "demo", 1, 3)
    await ended(deployment, "other", 1, 2)
    before = (await ask(deployment, query="&detailed=1")).body
    sums = (await ask(deployment, v=39)).body
    assert [each["total_hours"] for each in sums["tenant_usages"]] in ([2.0, 1.0], [1.0, 2.0])
    moved = archive.batches(deployment.pool, at(24), batch=10, most=None, keep=True)
    assert [batch.servers async for batch in moved] == [2]
    assert (await ask(deployment, query="&detailed=1")).body == before
    assert (await ask(deployment, v=39)).body == sums


async def test_the_list_is_for_administrators_and_may_be_detailed(deployment: Deployment) -> None:
    await server(deployment, "demo", 0)
    assert (await ask(deployment, user="demo")).status == 403
    other = deployment.projects["other"]
    assert (await ask(deployment, f"/{other}", user="demo")).status == 403
    for v in (1, 40):
        for query, detailed in (("", False), ("&detailed=0", False), ("&detailed=1", True)):
            answer = await ask(deployment, v=v, query=query)
            (usage,) = answer.body["tenant_usages"]
            assert usage["tenant_id"] == deployment.projects["demo"]
            assert ("server_usages" in usage) == detailed
            assert usage["total_hours"] == 24.0
    empty = await ask(deployment, "/nobody")
    assert empty.body == {"tenant_usage": {}}


async def test_pages_of_servers(deployment: Deployment) -> None:
    made = {await server(deployment, "demo", 0) for _ in range(3)}
    made |= {await ended(deployment, "other", 0, 1)}
    seen: list[str] = []
    answer = await ask(deployment, query="&detailed=1&limit=3")
    while True:
        for usage in answer.body["tenant_usages"]:
            seen += [each["instance_id"] for each in usage["server_usages"]]
        if "tenant_usages_links" not in answer.body:
            break
        (link,) = answer.body["tenant_usages_links"]
        assert link["rel"] == "next"
        _, _, rest = link["href"].partition("/v2.1")
        answer = await deployment.call("GET", rest)
    assert len(seen) == 4
    assert set(seen) == made
    project = deployment.projects["demo"]
    first = (await ask(deployment, f"/{project}", query="&limit=2")).body
    assert len(first["tenant_usage"]["server_usages"]) == 2
    (link,) = first["tenant_usage_links"]
    assert f"/os-simple-tenant-usage/{project}?" in link["href"]
    below = await ask(deployment, f"/{project}", query="&limit=2", v=39)
    assert len(below.body["tenant_usage"]["server_usages"]) == 3
    assert "tenant_usage_links" not in below.body
    unknown = await ask(deployment, query="&marker=11111111-2222-3333-4444-555555555555")
    assert unknown.status == 400


async def test_a_marker_of_another_project_is_unknown(deployment: Deployment) -> None:
    project = deployment.projects["demo"]
    mine, theirs = await server(deployment, "demo", 0), await ended(deployment, "other", 0, 1)
    assert (await ask(deployment, f"/{project}", query=f"&marker={mine}")).status == 200
    assert (await ask(deployment, query=f"&marker={theirs}")).status == 200
    assert (await ask(deployment, f"/{project}", query=f"&marker={theirs}")).status == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("start=2026-03-02T00:00:00&end=2026-03-01T00:00:00", 400),
        ("start=2026-03-01T00:00:00&end=2026-03-01T00:00:00", 400),
        ("start=yesterday", 400),
        ("start=2026-03-01T00:00:00.5&end=2026-03-01%2001:00:00.25", 200),
        ("start=2026-03-01 00:00:00", 200),
        ("", 200),
    ],
)
async def test_periods(deployment: Deployment, query: str, status: int) -> None:
    answer = await deployment.call("GET", f"/os-simple-tenant-usage?{query}")
    assert answer.status == status, answer.body


async def test_a_softly_deleted_server_is_shown_as_ended(deployment: Deployment) -> None:
    await server(deployment, "demo", 0, vm_state="soft-delete")
    usage = (await ask(deployment, f"/{deployment.projects['demo']}")).body["tenant_usage"]
    assert [each["state"] for each in usage["server_usages"]] == ["terminated"]
