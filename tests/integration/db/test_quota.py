"""How many servers of a request fit is decided by the statement that inserts them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from common.config.settings import DatabaseSettings
from common.db.pool import create_pool
from common.db.stores.quotas import Caps, usage
from common.db.stores.servers import COUNTED, NewServer, servers_create
from common.errors import OverQuota

COMMON: dict[str, Any] = {
    "project_id": "p",
    "user_id": "u",
    "reservation_id": "r",
    "flavor": {},
    "flavorid": "1",
    "vcpus": 2,
    "memory_mib": 1024,
    "root_gib": 1,
    "ephemeral_gib": 0,
    "swap_mib": 0,
    "image_properties": {},
    "kernel_id": "",
    "ramdisk_id": "",
    "config_drive": "",
    "auto_disk_config": False,
    "metadata": {},
    "tags": [],
    "security_groups": [],
    "requested_networks": [],
    "scheduler_hints": {},
}


async def create(
    pool: asyncpg.Pool[asyncpg.Record],
    number: int,
    limits: tuple[int, int, int],
    group_members: int = -1,
    user: tuple[int, int, int] | None = None,
    **more: Any,
) -> int:
    project = dict(zip(COUNTED, limits, strict=True)) | {"server_group_members": group_members}
    made = await servers_create(
        pool,
        [NewServer(uuid4(), f"s{n}", f"s{n}") for n in range(number)],
        wanted=number,
        at_least=1,
        common={**COMMON, **more},
        workflow_state={},
        request_id=f"req-{uuid4()}",
        limits=Caps(project, dict(zip(COUNTED, user or (), strict=False))),
        deadline_s=60,
    )
    return len(made)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    opened = await create_pool(DatabaseSettings(url=database_url))
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("limits", "used", "expected"),
    [
        ((-1, -1, -1), 3, 10),
        ((5, -1, -1), 2, 3),
        ((-1, 9, -1), 1, 3),
        ((-1, -1, 2047), 0, 1),
        ((-1, -1, 2047), 1, 0),
        ((5, -1, -1), 7, 0),
        ((5, 9, -1), 1, 3),
        ((0, 0, 0), 0, 0),
    ],
)
async def test_how_many_fit(
    database_url: str, limits: tuple[int, int, int], used: int, expected: int
) -> None:
    pool = await create_pool(DatabaseSettings(url=database_url))
    try:
        if used:
            await create(pool, used, (-1, -1, -1))
        await create(pool, 1, (-1, -1, -1), project_id="another")
        if expected:
            assert await create(pool, 10, limits) == expected
        else:
            with pytest.raises(OverQuota, match="Quota exceeded for"):
                await create(pool, 10, limits)
        count = "select count(*) from servers where project_id = 'p'"
        assert await pool.fetchval(count) == used + expected, "all or as many as fit"
    finally:
        await pool.close()


ALL = (-1, -1, -1)


async def test_a_users_limits_are_for_what_the_user_has(
    pool: asyncpg.Pool[asyncpg.Record],
) -> None:
    await create(pool, 3, ALL, user_id="somebody else")
    assert await create(pool, 5, ALL, user=(2, -1, -1)) == 2
    with pytest.raises(OverQuota, match="Requested 1, but already used 2 of 2 instances"):
        await create(pool, 1, ALL, user=(2, -1, -1))
    assert await create(pool, 5, ALL, user=(-1, 7, -1)) == 1
    with pytest.raises(OverQuota, match="already used 6 of 6 instances"):
        await create(pool, 1, (6, -1, -1), user=(100, -1, -1))
    assert await create(pool, 9, (8, -1, -1), user=(100, -1, -1)) == 2
    assert (await usage(pool, "p", "u")).instances == 5
    assert (await usage(pool, "p")).instances == 8


async def test_pending_resizes_count_with_the_larger_flavor(
    pool: asyncpg.Pool[asyncpg.Record],
) -> None:
    """While a resize runs, and until it is confirmed: it may still turn back."""
    await create(pool, 3, ALL)
    one, other, gone = [row["uuid"] for row in await pool.fetch("select uuid from servers")]
    await pool.execute(
        "insert into workflows (kind, server_uuid, request_id, state, deadline_at)"
        " values ('resize', $1, 'r', $2, now())",
        one,
        {"flavor": {"vcpus": 5, "memory_mib": 512}},
    )
    small = {"vcpus": 8, "memory_mib": 4096}
    for uuid, state in ((other, "resized"), (gone, "soft-delete")):
        await pool.execute(
            "update servers set old_flavor = $2, vm_state = $3,"
            " system_metadata = case when $3 = 'soft-delete'"
            " then '{\"soft_deleted_at\": \"x\"}'::jsonb else '{}' end where uuid = $1",
            uuid,
            small,
            state,
        )
    for user_id in (None, "u"):
        used = await usage(pool, "p", user_id)
        assert (used.instances, used.cores, used.ram) == (2, 5 + 8, 1024 + 4096)
    with pytest.raises(OverQuota, match="Requested 2, but already used 13 of 14 cores"):
        await create(pool, 1, (-1, 14, -1))
