"""Statements with a regular expression that a user has written.

Owns: how long one may take, and what is said of one that is none or takes longer.
May not: know what is searched. Crash story: reads only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from common.db.pool import Pool, PoolConnection
from common.errors import InvalidInput

TIMEOUT_S = 2.0


@asynccontextmanager
async def bounded(pool: Pool) -> AsyncIterator[PoolConnection]:
    """A session for such a statement; raises `InvalidInput` where the expression is to blame."""
    try:
        async with pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(f"set local statement_timeout = {TIMEOUT_S * 1000:.0f}")
            yield connection
    except asyncpg.InvalidRegularExpressionError as error:
        raise InvalidInput(f"A filter is no valid regular expression: {error}") from error
    except asyncpg.QueryCanceledError as error:
        raise InvalidInput(
            f"A filter takes more than {TIMEOUT_S:g} s to be held against all values."
        ) from error
