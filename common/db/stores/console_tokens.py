"""Tokens that open consoles.

Owns: table `console_tokens`. May not: know a token longer than it takes to hash it.
Crash story: each function is one statement; a token that was written and never told to anybody
expires.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool

_sql = load("console_tokens")

MOST_SWEPT = 100


@dataclass(frozen=True)
class Grant:
    """What a token opens."""

    server_uuid: UUID
    host: str
    generation: int
    console_type: str
    left_s: float
    """How long it may still be used."""


def digest(token: str) -> bytes:
    """How a token is kept. Tokens are random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


async def add(
    pool: Pool,
    token: str,
    *,
    server_uuid: UUID,
    host: str,
    generation: int,
    console_type: str,
    ttl_s: float,
) -> None:
    """Let `token` open that console of that guest."""
    await _sql.add(
        pool,
        token_sha256=digest(token),
        server_uuid=server_uuid,
        host=host,
        generation=generation,
        console_type=console_type,
        ttl_s=ttl_s,
        most_swept=MOST_SWEPT,
    )


async def find(pool: Pool, token: str) -> Grant | None:
    """None when it was never made, has expired, or its guest is the server's no more."""
    row = await _sql.find(pool, token_sha256=digest(token))
    return None if row is None else Grant(**row)
