"""How many servers of a request fit is decided by the statement that inserts them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from common.config.settings import DatabaseSettings
from common.db.pool import create_pool
from common.db.stores.servers import NewServer, servers_create
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
    **more: Any,
) -> int:
    names = ("instances", "cores", "ram")
    made = await servers_create(
        pool,
        [NewServer(uuid4(), f"s{n}", f"s{n}") for n in range(number)],
        wanted=number,
        at_least=1,
        common={**COMMON, **more},
        workflow_state={},
        request_id=f"req-{uuid4()}",
        limits=dict(zip(names, limits, strict=True)) | {"server_group_members": group_members},
        deadline_s=60,
    )
    return len(made)


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
