"""A token of a console is good for one guest and for a while."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from common.db.pool import Pool
from common.db.stores import console_tokens

SERVER = """
insert into servers (uuid, project_id, user_id, name, hostname, reservation_id, vm_state, host,
                     generation, flavor, flavorid, vcpus, memory_mib, root_gib, ephemeral_gib,
                     swap_mib)
values ($1, 'p', 'u', 's', 's', 'r', 'active', 'h', 3, '{}', '1', 1, 1, 1, 0, 0)
"""


async def made(pool: Pool, token: str, *, ttl_s: float = 60.0, server: UUID | None = None) -> UUID:
    uuid = server or uuid4()
    if server is None:
        await pool.execute(SERVER, uuid)
    await console_tokens.add(
        pool,
        token,
        server_uuid=uuid,
        host="h",
        generation=3,
        console_type="novnc",
        ttl_s=ttl_s,
    )
    return uuid


async def test_a_token_is_found_and_is_not_kept(pool: Pool) -> None:
    server = await made(pool, "sesame")
    found = await console_tokens.find(pool, "sesame")
    assert found is not None
    assert (found.server_uuid, found.host, found.generation) == (server, "h", 3)
    assert found.console_type == "novnc"
    assert 0 < found.left_s <= 60
    assert await console_tokens.find(pool, "sesam") is None
    rows = await pool.fetch("select console_tokens::text from console_tokens")
    assert "sesame" not in str(rows)


@pytest.mark.parametrize(
    "change",
    [
        "deleted_at = now()",
        "host = 'elsewhere'",
        "host = null",
        "generation = generation + 1",
    ],
)
async def test_a_token_ends_with_its_guest(pool: Pool, change: str) -> None:
    server = await made(pool, "sesame")
    await pool.execute(f"update servers set {change} where uuid = $1", server)
    assert await console_tokens.find(pool, "sesame") is None


async def test_a_token_ends_with_its_time_and_is_cleared_away(pool: Pool) -> None:
    server = await made(pool, "old", ttl_s=-1.0)
    assert await console_tokens.find(pool, "old") is None
    await made(pool, "new", server=server)
    assert await pool.fetchval("select count(*) from console_tokens") == 1
