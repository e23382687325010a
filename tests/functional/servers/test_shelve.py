"""Shelve and unshelve: where a server may come back to, at each microversion."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.servers.conftest import Stack

OFFLOADED = "shelved_offloaded"


@pytest.fixture(scope="module", autouse=True)
async def hosts(stack: Stack) -> None:
    await stack.add_host("up")


@pytest.mark.parametrize(
    ("v", "argument", "state", "pinned"),
    [
        (1, None, {"availability_zone": "nova", "host": None}, "nova"),
        (76, {"anything": 1}, {"availability_zone": "nova", "host": None}, "nova"),
        (77, None, {"availability_zone": "nova", "host": None}, "nova"),
        (77, {"availability_zone": "nova"}, {"availability_zone": "nova", "host": None}, "nova"),
        (91, {}, {"availability_zone": "nova", "host": None}, "nova"),
        (91, {"availability_zone": None}, {"availability_zone": None, "host": None}, None),
        (91, {"host": "up"}, {"availability_zone": "nova", "host": "up"}, "nova"),
        (91, {"host": "up", "availability_zone": None}, {"availability_zone": None, "host": "up"},
         None),
        (91, {"host": "up", "availability_zone": "nova"},
         {"availability_zone": "nova", "host": "up"}, "nova"),
    ],
)  # fmt: skip
async def test_where_to(
    stack: Stack, v: int, argument: Any, state: dict[str, Any], pinned: str | None
) -> None:
    server_id = await stack.server(vm_state=OFFLOADED, pinned_availability_zone="nova")
    answer = await stack.action(server_id, {"unshelve": argument}, user="admin", v=v)
    assert (answer.status, answer.body) == (202, b"")
    (workflow,) = await stack.workflows(server_id)
    assert workflow["state"] == state
    row = await stack.row(server_id)
    assert (row["pinned_availability_zone"], row["task_state"]) == (pinned, "unshelving")


@pytest.mark.parametrize(
    ("v", "vm_state", "argument", "expected"),
    [
        (77, OFFLOADED, {}, (400, "'availability_zone' is a required property")),
        (77, OFFLOADED, {"availability_zone": None}, (400, "availability_zone")),
        (
            77,
            OFFLOADED,
            {"availability_zone": "nova", "host": "up"},
            (400, "'host' was unexpected"),
        ),
        (77, OFFLOADED, {"availability_zone": "x"}, (400, "zone is not available")),
        (91, OFFLOADED, {"host": "nowhere"}, (400, "nowhere could not be found")),
        (91, OFFLOADED, {"host": None}, (400, "host")),
        (77, "shelved", {"availability_zone": "nova"}, (409, "SHELVED_OFFLOADED")),
        (91, "shelved", {"availability_zone": None}, (409, "SHELVED_OFFLOADED")),
        (91, "shelved", {"host": "up"}, (409, "SHELVED_OFFLOADED")),
        (91, "active", {"host": "up"}, (409, "Cannot 'unshelve'")),
    ],
)
async def test_refused(
    stack: Stack, v: int, vm_state: str, argument: Any, expected: tuple[int, str]
) -> None:
    status, words = expected
    server_id = await stack.server(vm_state=vm_state, pinned_availability_zone="nova")
    answer = await stack.action(server_id, {"unshelve": argument}, user="admin", v=v)
    assert answer.status == status, answer.body
    assert words in answer.fault()
    row = await stack.row(server_id)
    assert (row["pinned_availability_zone"], row["task_state"]) == ("nova", None)
    assert not await stack.workflows(server_id)


async def test_a_host_outside_the_pinned_zone(stack: Stack) -> None:
    server_id = await stack.server(vm_state=OFFLOADED, pinned_availability_zone="elsewhere")
    answer = await stack.action(server_id, {"unshelve": {"host": "up"}}, user="admin")
    assert (answer.status, answer.fault()) == (
        409, "Host up is not in availability zone elsewhere.",
    )  # fmt: skip


async def test_a_host_is_for_administrators(stack: Stack) -> None:
    server_id = await stack.server(vm_state=OFFLOADED)
    answer = await stack.action(server_id, {"unshelve": {"host": "up"}})
    assert answer.status == 403
    assert "unshelve_to_host" in answer.fault()
    assert (await stack.action(server_id, {"unshelve": None})).status == 202
