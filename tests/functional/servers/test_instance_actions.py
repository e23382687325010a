"""The history of a server: actions and events, per version and per caller."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.servers.conftest import Stack

IN_EVERY_VERSION = {
    "action", "instance_uuid", "request_id", "user_id", "project_id", "start_time", "message",
}  # fmt: skip


@pytest.fixture(scope="module")
async def server_id(stack: Stack) -> str:
    """With three actions; "create" has one event, "stop" one that failed."""
    server_id = await stack.server(host="compute-7")
    for n, action in enumerate(("create", "stop", "start")):
        action_id = await stack.pool.fetchval(
            "insert into instance_actions (server_uuid, action, request_id, user_id, project_id, "
            "start_time) values ($1::uuid, $2, $3, 'u', $4, timestamptz '2026-01-01' + "
            "make_interval(hours => $5)) returning id",
            server_id, action, f"req-{action}", stack.projects["demo"], n,
        )  # fmt: skip
        result = {"create": "Success", "stop": "Error"}.get(action)
        if result:
            await stack.pool.execute(
                "insert into instance_action_events (action_id, event, host, finish_time, result, "
                "details, traceback) values ($1, 'compute_it', 'compute-7', now(), $2, 'why', 't')",
                action_id, result,
            )  # fmt: skip
    return server_id


async def listed(stack: Stack, server_id: str, query: str = "", **kwargs: Any) -> Any:
    path = f"/servers/{server_id}/os-instance-actions?{query}"
    answer = await stack.call("GET", path, **{"user": "demo", **kwargs})
    assert answer.status == 200, answer.body
    return answer.body


async def shown(stack: Stack, server_id: str, name: str, **kwargs: Any) -> dict[str, Any]:
    path = f"/servers/{server_id}/os-instance-actions/req-{name}"
    answer = await stack.call("GET", path, **{"user": "demo", **kwargs})
    assert answer.status == 200, answer.body
    return dict(answer.body["instanceAction"])


async def test_newest_first(stack: Stack, server_id: str) -> None:
    for v in (1, 57, 58, 104):
        actions = (await listed(stack, server_id, v=v))["instanceActions"]
        assert [action["action"] for action in actions] == ["start", "stop", "create"]
        extra = {"updated_at"} if v >= 58 else set()
        assert set(actions[0]) == IN_EVERY_VERSION | extra
    assert actions[0]["start_time"] == "2026-01-01T02:00:00.000000"


async def test_pages_from_2_58(stack: Stack, server_id: str) -> None:
    body = await listed(stack, server_id, "limit=2")
    assert [action["action"] for action in body["instanceActions"]] == ["start", "stop"]
    (link,) = body["links"]
    assert link["href"].endswith(
        f"/servers/{server_id}/os-instance-actions?limit=2&marker=req-stop"
    )
    body = await listed(stack, server_id, "limit=2&marker=req-stop")
    assert [action["action"] for action in body["instanceActions"]] == ["create"]
    assert "links" not in body
    assert len((await listed(stack, server_id, "limit=1", v=57))["instanceActions"]) == 3


async def test_by_time(stack: Stack, server_id: str) -> None:
    query = "changes-since=2026-01-01T01:00:00Z&changes-before=2026-01-01T01:30:00Z"
    body = await listed(stack, server_id, query)
    assert [action["action"] for action in body["instanceActions"]] == ["stop"]


@pytest.mark.parametrize(
    ("query", "v"),
    [
        ("marker=req-unknown", 58),
        ("limit=-1", 58),
        ("limit=1&limit=2", 58),
        ("changes-since=once", 58),
        ("changes-before=2026-01-01", 65),
        ("changes-since=2026-02-01&changes-before=2026-01-01", 66),
        ("colour=red", 58),
    ],
)
async def test_refused(stack: Stack, server_id: str, query: str, v: int) -> None:
    path = f"/servers/{server_id}/os-instance-actions?{query}"
    assert (await stack.call("GET", path, user="demo", v=v)).status == 400


async def test_events_by_version_and_caller(stack: Stack, server_id: str) -> None:
    assert "events" not in await shown(stack, server_id, "stop", v=50)
    base = {"event", "start_time", "finish_time", "result"}

    async def event(user: str, v: int) -> set[str]:
        (found,) = (await shown(stack, server_id, "stop", user=user, v=v))["events"]
        return set(found)

    assert await event("admin", 50) == base | {"traceback"}
    assert await event("demo", 51) == base
    assert await event("demo", 62) == base | {"hostId"}
    assert await event("admin", 62) == base | {"hostId", "host", "traceback"}
    assert await event("demo", 104) == base | {"hostId"}
    assert await event("admin", 84) == base | {"hostId", "host", "traceback", "details"}


async def test_details_only_of_failures(stack: Stack, server_id: str) -> None:
    async def details(name: str) -> Any:
        return (await shown(stack, server_id, name, user="admin"))["events"][0]["details"]

    assert await details("create") is None
    assert await details("stop") == "why"
    (event,) = (await shown(stack, server_id, "stop"))["events"]
    assert event["hostId"] == (await stack.show(server_id))["hostId"]


async def test_unknown_action(stack: Stack, server_id: str) -> None:
    path = f"/servers/{server_id}/os-instance-actions/req-unknown"
    answer = await stack.call("GET", path, user="demo")
    assert (answer.status, answer.fault()) == (404, "Action req-unknown not found")
    assert (await stack.call("GET", path, user="other")).status == 404


async def test_deleted_servers_from_2_21(stack: Stack) -> None:
    server_id = await stack.server(vm_state="deleted")
    await stack.pool.execute(
        "update servers set deleted_at = now() where uuid = $1::uuid", server_id
    )
    path = f"/servers/{server_id}/os-instance-actions"
    assert (await stack.call("GET", path, user="demo", v=20)).status == 404
    assert (await stack.call("GET", path, user="demo", v=21)).body == {"instanceActions": []}
