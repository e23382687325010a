"""Groups, their members and their quotas."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from common.db.pool import Pool
from common.db.stores import server_groups
from common.db.stores.quotas import Caps
from common.db.stores.server_groups import GroupPlacement, ServerGroup
from common.errors import NotFound, OverQuota
from tests.integration.db.test_quota import create as create_servers
from tests.integration.scheduler.rows import add_server


async def create(pool: Pool, *, most: int = -1, own: int = -1, **fields: Any) -> ServerGroup:
    wanted: dict[str, Any] = {
        "project_id": "p",
        "user_id": "u",
        "name": "g",
        "policy": "affinity",
        "max_per_host": None,
    }
    return await server_groups.create(
        pool, uuid4(), **wanted | fields, caps=Caps({"server_groups": most}, {"server_groups": own})
    )


async def test_a_group_and_its_members(pool: Pool) -> None:
    group = await create(pool, policy="anti-affinity", max_per_host=2)
    assert (group.policy, group.max_per_host, group.members) == ("anti-affinity", 2, [])
    servers = [await add_server(pool, group=group.uuid) for _ in range(3)]
    await pool.execute("update servers set deleted_at = now() where uuid = $1", servers[1])
    assert (await server_groups.get(pool, group.uuid)).members == [servers[0], servers[2]]
    await server_groups.delete(pool, group.uuid)
    with pytest.raises(NotFound):
        await server_groups.get(pool, group.uuid)
    with pytest.raises(NotFound):
        await server_groups.delete(pool, group.uuid)
    assert await server_groups.placement(pool, group.uuid) is None


async def test_lists_are_of_a_project_and_paged(pool: Pool) -> None:
    names = [(await create(pool, name=f"g{n}", project_id=f"p{n % 2}")).name for n in range(6)]

    async def listed(project: str | None, **page: int) -> list[str]:
        return [each.name for each in await server_groups.find(pool, project, **page)]

    assert await listed(None) == names
    assert await listed("p1") == names[1::2]
    assert await listed(None, limit=2, offset=3) == names[3:5]
    assert await listed("nobody") == []


async def test_the_quota_of_groups_holds_for_requests_at_once(pool: Pool) -> None:
    await create(pool, project_id="another")
    made = await asyncio.gather(*(create(pool, most=3) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(each, ServerGroup) for each in made) == 3
    assert sum(isinstance(each, OverQuota) for each in made) == 5
    with pytest.raises(OverQuota, match="too many server groups"):
        await create(pool, most=0)
    await create(pool, own=1, user_id="v")
    with pytest.raises(OverQuota, match="too many server groups"):
        await create(pool, own=1, user_id="v")


async def test_the_quota_of_members_is_of_a_group_and_a_user(pool: Pool) -> None:
    group, other = (await create(pool)).uuid, (await create(pool)).uuid

    async def join(number: int, group: UUID | None, most: int, **more: Any) -> int:
        return await create_servers(
            pool,
            number,
            (-1, -1, -1),
            server_group=group and str(group),
            group_members=most,
            **more,
        )

    assert await join(3, group, 3) == 3
    with pytest.raises(OverQuota, match="too many servers in group"):
        await join(1, group, 3)
    with pytest.raises(OverQuota, match="too many servers in group"):
        await join(2, other, 1)
    assert await join(1, group, 3, user_id="somebody else") == 1
    assert await join(3, other, 3) == 3
    assert await join(5, group, -1) == 5
    assert await join(5, None, 0) == 5


async def test_places_are_those_of_claims(pool: Pool) -> None:
    group = (await create(pool, policy="soft-affinity")).uuid
    assert await server_groups.placement(pool, group) == GroupPlacement("soft-affinity", 1)
    server = await add_server(pool, "a", group=group)
    found = await server_groups.placement(pool, group)
    assert found is not None
    assert not found.places, "it has no claim"
    assert server not in {uuid for uuid, _ in found.places}
