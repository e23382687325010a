"""Zones, forced hosts and server groups that a create request names."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from common.messages.scheduler import SelectHost
from tests.functional.servers.conftest import Stack
from tests.support.wait import wait_for


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {
        "quota": {"instances": -1, "cores": -1, "ram_mib": -1, "server_group_members": 2},
    }


@pytest.fixture(scope="module", autouse=True)
async def west(stack: Stack) -> None:
    """A zone with a host, and one whose host takes no servers."""
    for zone, host in (("west", "w1"), ("idle", "i1")):
        await stack.add_host(host)
        body = {"aggregate": {"name": zone, "availability_zone": zone}}
        made = (await stack.call("POST", "/os-aggregates", body)).body["aggregate"]
        path = f"/os-aggregates/{made['id']}/action"
        assert (await stack.call("POST", path, {"add_host": {"host": host}})).status == 200
    await stack.add_host("n1")
    await stack.pool.execute("update services set disabled = true where host = 'i1'")


async def group(stack: Stack, *, user: str = "demo", policy: str = "affinity") -> str:
    body = {"server_group": {"name": "g", "policy": policy}}
    made = await stack.call("POST", "/os-server-groups", body, user=user)
    return str(made.body["server_group"]["id"])


def hinted(stack: Stack, group_id: str, **fields: Any) -> dict[str, Any]:
    return {**stack.body(**fields), "os:scheduler_hints": {"group": group_id}}


async def test_a_zone_pins_the_server(stack: Stack) -> None:
    server_id = await stack.created(availability_zone="west")
    shown = await stack.show(server_id)
    assert shown["OS-EXT-AZ:availability_zone"] == "west"
    assert shown["pinned_availability_zone"] == "west"
    (workflow,) = await stack.workflows(server_id)
    assert workflow["state"]["availability_zone"] == "west"


@pytest.mark.parametrize("zone", ["idle", "internal", "nowhere", "west:"])
async def test_zones_that_cannot_be_asked_for(stack: Stack, zone: str) -> None:
    assert (await stack.create(availability_zone=zone, user="admin")).status == 400


@pytest.mark.parametrize(
    ("zone", "status"),
    [
        ("west:w1", 202),
        ("west::w1", 202),
        ("west:w1:w1", 202),
        (":w1", 202),
        ("west:n1", 400),
        ("nova:w1", 400),
        ("nova:n1", 202),
        ("west:unheard-of", 202),
    ],
)
async def test_a_forced_host_is_in_its_zone(stack: Stack, zone: str, status: int) -> None:
    answer = await stack.create(availability_zone=zone, user="admin")
    assert answer.status == status, answer.body


async def test_a_server_joins_the_group_of_the_hint(stack: Stack) -> None:
    group_id = await group(stack)
    answer = await stack.call("POST", "/servers", hinted(stack, group_id), user="demo")
    assert answer.status == 202, answer.body
    server_id = answer.body["server"]["id"]
    shown = await stack.show(server_id)
    assert shown["server_groups"] == [group_id]
    assert shown["scheduler_hints"] == {"group": group_id}

    def questions() -> list[SelectHost]:
        every = [each for each in stack.heard if isinstance(each, SelectHost)]
        return [each for each in every if each.server_uuid == server_id]

    await wait_for(questions, what="the question to the scheduler")
    (question,) = questions()
    assert (question.server_group, question.image_id) == (group_id, stack.image)
    members = await stack.call("GET", f"/os-server-groups/{group_id}", user="demo")
    assert members.body["server_group"]["members"] == [server_id]


async def test_groups_that_cannot_be_joined(stack: Stack) -> None:
    for group_id in (str(uuid4()), await group(stack, user="other")):
        answer = await stack.call("POST", "/servers", hinted(stack, group_id), user="demo")
        assert (answer.status, answer.fault()) == (
            400,
            f"Instance group {group_id} could not be found.",
        )
    no_id = await stack.call("POST", "/servers", hinted(stack, "no id"), user="demo")
    assert no_id.status == 400


async def test_the_quota_of_members(stack: Stack) -> None:
    group_id = await group(stack)
    for count, status in ((3, 403), (2, 202), (1, 403)):
        body = hinted(stack, group_id, min_count=count)
        answer = await stack.call("POST", "/servers", body, user="demo")
        assert answer.status == status, answer.body
    assert answer.fault() == "Quota exceeded, too many servers in group."


async def test_unshelving_into_zones(stack: Stack) -> None:
    async def unshelved(argument: dict[str, Any], **columns: Any) -> tuple[int, str | None]:
        server_id = await stack.server(vm_state="shelved_offloaded", **columns)
        answer = await stack.action(server_id, {"unshelve": argument}, user="admin")
        return answer.status, (await stack.row(server_id))["pinned_availability_zone"]

    assert await unshelved({"availability_zone": "west"}) == (202, "west")
    assert await unshelved({"availability_zone": "idle"}) == (400, None)
    assert await unshelved({"availability_zone": "west", "host": "w1"}) == (202, "west")
    assert (await unshelved({"availability_zone": "west", "host": "n1"}))[0] == 409
    assert (await unshelved({"host": "n1"}, pinned_availability_zone="west"))[0] == 409
    assert (await unshelved({"host": "w1"}, pinned_availability_zone="west"))[0] == 202
    assert (await unshelved({"host": "nowhere"}))[0] == 400


async def test_pinning_to_the_zone_of_the_host(stack: Stack) -> None:
    server_id = await stack.server(host="w1")
    for zone, status in (("nova", 409), ("west", 200), (None, 200)):
        body = {"server": {"pinned_availability_zone": zone}}
        answer = await stack.call("PUT", f"/servers/{server_id}", body, user="demo")
        assert answer.status == status, answer.body
