"""How many servers a project may have: exactly, whatever happens at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.functional.servers.conftest import Stack


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"quota": {"instances": 4, "cores": 6, "ram_mib": 4096}}


@pytest.fixture(autouse=True)
async def nothing_there(stack: Stack) -> None:
    await stack.pool.execute("truncate servers, workflows, instance_actions cascade")


async def test_many_at_once_never_exceed_it(stack: Stack) -> None:
    answers = await asyncio.gather(*(stack.create() for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [202] * 4 + [403] * 6
    refused = next(answer for answer in answers if answer.status == 403)
    assert refused.fault() == (
        "Quota exceeded for instances: Requested 1, but already used 4 of 4 instances"
    )
    assert await stack.count("servers") == 4
    assert (await stack.create(user="other")).status == 202


async def test_max_count_is_cut_to_what_fits(stack: Stack) -> None:
    await stack.created()
    answer = await stack.create(min_count=2, max_count=9)
    assert answer.status == 202
    assert await stack.count("servers") == 4


async def test_min_count_is_not(stack: Stack) -> None:
    answer = await stack.create(min_count=5)
    assert answer.status == 403
    assert answer.fault() == (
        "Quota exceeded for instances: Requested 5, but already used 0 of 4 instances"
    )
    assert await stack.count("servers") == 0


async def test_every_resource_that_does_not_suffice_is_named(stack: Stack) -> None:
    answer = await stack.create(flavorRef="5")
    assert answer.status == 403
    assert answer.fault() == (
        "Quota exceeded for cores, ram: Requested 8, 16384, "
        "but already used 0, 0 of 6, 4096 cores, ram"
    )


async def test_what_is_deleted_or_soft_deleted_is_free_again(stack: Stack) -> None:
    for _ in range(4):
        await stack.created()
    assert (await stack.create()).status == 403
    await stack.pool.execute(
        "update servers set vm_state = 'soft-delete', "
        """system_metadata = '{"soft_deleted_at": "2026-01-01T00:00:00+00:00"}' """
        "where uuid = (select uuid from servers limit 1)"
    )
    assert (await stack.create()).status == 202
    assert (await stack.create()).status == 403
    await stack.pool.execute("update servers set vm_state = 'deleted', deleted_at = now()")
    assert (await stack.create()).status == 202


async def test_the_projects_own_limit_counts(stack: Stack) -> None:
    project = stack.projects["demo"]
    body = {"quota_set": {"instances": 1}}
    assert (await stack.call("PUT", f"/os-quota-sets/{project}", body)).status == 200
    answers = [await stack.create(), await stack.create()]
    assert [answer.status for answer in answers] == [202, 403]
    assert (await stack.call("DELETE", f"/os-quota-sets/{project}")).status == 202
    assert (await stack.create()).status == 202
