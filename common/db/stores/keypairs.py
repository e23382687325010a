"""Key pairs of users.

Owns: table `keypairs`. May not: keep a private key. Crash story: every function is one
transaction.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import asyncpg

from common.db.loader import load
from common.db.pool import Pool, Record
from common.errors import Conflict, NotFound, OverQuota

_sql = load("keypairs")


@dataclass(frozen=True)
class Keypair:
    """One row of `keypairs`."""

    id: int
    user_id: str
    name: str
    type: str
    """"ssh" or "x509"."""
    fingerprint: str
    public_key: str
    created_at: dt.datetime


def _keypair(row: Record) -> Keypair:
    return Keypair(**dict(row))


async def find(
    pool: Pool, user_id: str, *, marker: str | None = None, limit: int | None = None
) -> list[Keypair]:
    """By name, after `marker`; all without a limit."""
    if limit is None:
        return [_keypair(row) async for row in _sql.keypairs_of(pool, user_id=user_id)]
    rows = _sql.keypairs_after(pool, user_id=user_id, marker=marker, count=limit)
    return [_keypair(row) async for row in rows]


async def get(pool: Pool, user_id: str, name: str) -> Keypair:
    row = await _sql.keypair(pool, user_id=user_id, name=name)
    if row is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    return _keypair(row)


async def create(
    pool: Pool,
    user_id: str,
    name: str,
    *,
    kind: str,
    fingerprint: str,
    public_key: str,
    quota: int,
) -> Keypair:
    """Raises `Conflict` for a taken name, `OverQuota` when the user has `quota` already."""
    async with pool.acquire() as connection, connection.transaction():
        await _sql.lock_user(connection, user_id=user_id)
        try:
            row = await _sql.create_keypair(
                connection,
                user_id=user_id,
                name=name,
                type=kind,
                fingerprint=fingerprint,
                public_key=public_key,
                quota=quota,
            )
        except asyncpg.UniqueViolationError as error:
            raise Conflict(f"Key pair '{name}' already exists.") from error
    if row is None:
        raise OverQuota("Quota exceeded, too many key pairs.")
    return _keypair(row)


async def delete(pool: Pool, user_id: str, name: str) -> None:
    if await _sql.delete_keypair(pool, user_id=user_id, name=name) is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
