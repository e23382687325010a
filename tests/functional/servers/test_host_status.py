"""What a server tells about its host: the whole truth table over HTTP, asked again at once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.functional.servers.conftest import Stack

BOTH = (True, False)
FACTS = list(itertools.product(BOTH, BOTH, BOTH))
"""(fresh, forced_down, disabled)."""


def documented(fresh: bool, forced_down: bool, disabled: bool) -> str:
    """UP, UNKNOWN, DOWN, MAINTENANCE: a later one overrides an earlier one."""
    status = "UP" if fresh else "UNKNOWN"
    if forced_down:
        status = "DOWN"
    if disabled:
        status = "MAINTENANCE"
    return status


def nova(fresh: bool, forced_down: bool, disabled: bool) -> str:
    return "DOWN" if forced_down else documented(fresh, forced_down, disabled)


RULES = {"documented": documented, "nova": nova}


@pytest.fixture(scope="module", params=["documented", "nova"])
def precedence(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["by default", "unknown-only for readers", "for readers"])
def visibility(request: pytest.FixtureRequest) -> str:
    return str(request.param)


POLICY = {
    "by default": "{}\n",
    "unknown-only for readers": (
        '"os_compute_api:servers:show:host_status:unknown-only": "rule:project_reader_or_admin"\n'
    ),
    "for readers": ('"os_compute_api:servers:show:host_status": "rule:project_reader_or_admin"\n'),
}


@pytest.fixture(scope="module")
def overrides(
    precedence: str, visibility: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("policy") / "policy.yaml"
    file.write_text(POLICY[visibility])
    return {"api": {"host_status_precedence": precedence, "policy_file": str(file)}}


async def set_host(stack: Stack, host: str, facts: tuple[bool, bool, bool]) -> None:
    fresh, forced_down, disabled = facts
    interval = "interval '1 hour'" if fresh else "interval '-1 hour'"
    await stack.pool.execute(
        f"update services set lease_expires_at = now() + {interval}, forced_down = $2, "
        "disabled = $3 where host = $1",
        host,
        forced_down,
        disabled,
    )


async def seen(stack: Stack, server_id: str, user: str, v: int) -> list[Any]:
    """host_status in show, detail and PUT; "absent" where there is none."""
    shown = await stack.show(server_id, user=user, v=v)
    listed = (await stack.call("GET", "/servers/detail", user=user, v=v)).body["servers"]
    (entry,) = [server for server in listed if server["id"] == server_id]
    answers = [shown, entry]
    if user != "reader":
        body = {"server": {"name": "again"}}
        put = await stack.call("PUT", f"/servers/{server_id}", body, user=user, v=v)
        answers.append(put.body["server"])
    return [answer.get("host_status", "absent") for answer in answers]


async def test_truth_table(stack: Stack, precedence: str, visibility: str) -> None:
    if not await stack.pool.fetchval("select count(*) from services where host = 'h'"):
        await stack.add_host("h")
    server_id = await stack.server(user="demo", host="h", name="on-a-host")
    owned = await stack.server(user="admin", host="h", name="the-admins")
    for facts in FACTS:
        await set_host(stack, "h", facts)
        truth = RULES[precedence](*facts)
        assert await seen(stack, owned, "admin", 104) == [truth] * 3
        for_readers = {
            "by default": "absent",
            "unknown-only for readers": truth if truth == "UNKNOWN" else "absent",
            "for readers": truth,
        }[visibility]
        assert await seen(stack, server_id, "demo", 104) == [for_readers] * 3
        assert await seen(stack, server_id, "reader", 16) == [for_readers] * 2
        assert await seen(stack, server_id, "demo", 74) == [for_readers] * 2 + ["absent"]
        assert await seen(stack, server_id, "demo", 15) == ["absent"] * 3
        assert await seen(stack, owned, "admin", 15) == ["absent"] * 3


async def test_without_host_or_without_service_record(stack: Stack, visibility: str) -> None:
    nowhere = await stack.server(user="demo", vm_state="building", task_state="scheduling")
    unknown = await stack.server(user="demo", host="never-registered")
    expected = "" if visibility == "for readers" else "absent"
    for server_id in (nowhere, unknown):
        assert await seen(stack, server_id, "demo", 104) == [expected] * 3
        assert (await stack.show(server_id, user="admin"))["host_status"] == ""


async def test_an_operators_word_shows_in_the_next_request(
    stack: Stack, precedence: str, visibility: str
) -> None:
    await stack.pool.execute("delete from compute_nodes where host = 'w'")
    await stack.pool.execute("delete from services where host = 'w'")
    await stack.add_host("w")
    server_id = await stack.server(user="admin", host="w")
    service_id = await stack.pool.fetchval("select uuid from services where host = 'w'")

    async def put(**body: Any) -> str:
        answer = await stack.call("PUT", f"/os-services/{service_id}", body)
        assert answer.status == 200, answer.body
        return str((await stack.show(server_id, user="admin"))["host_status"])

    assert await put(forced_down=True) == "DOWN"
    assert await put(status="disabled") == ("DOWN" if precedence == "nova" else "MAINTENANCE")
    assert await put(forced_down=False) == "MAINTENANCE"
    assert await put(status="enabled") == "UP"
