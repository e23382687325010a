"""Passwords that guests have reported about themselves, encrypted with their users' keys.

Owns: column `guest_password` of `servers`, but for a rebuild, whose commit empties it.
May not: read one; nobody here has the key. Crash story: every function is one statement.
"""

from __future__ import annotations

from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool

_sql = load("guest_passwords")


async def get(pool: Pool, server_uuid: UUID) -> str:
    """Empty without one."""
    password: str | None = await _sql.password_of(pool, server_uuid=server_uuid)
    return password or ""


async def set_once(pool: Pool, server_uuid: UUID, password: str) -> bool:
    """False: there is one already, or the server is gone."""
    done = await _sql.set_password_once(pool, server_uuid=server_uuid, password=password)
    return done is not None


async def clear(pool: Pool, server_uuid: UUID) -> None:
    await _sql.clear_password(pool, server_uuid=server_uuid)
