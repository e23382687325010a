"""Named queries from common/db/queries/*.sql.

Owns: loading through aiosql. May not: be used outside common/db/stores, whose functions give the
types. Crash story: a malformed file fails at import, not at the first use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter

_QUERIES = Path(__file__).parent / "queries"


class _DirectAdapter(AsyncPGAdapter):
    """aiosql's asyncpg adapter without its search for `acquire`.

    Pools and connections answer the same calls; looking through `dir()` each time to tell them
    apart costs more than sending the query.
    """

    def _ordered(self, query_name: str, parameters: Any) -> Any:
        return self.maybe_order_params(query_name, parameters)  # type: ignore[no-untyped-call]

    async def select(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> AsyncIterator[Any]:
        assert record_class is None
        for record in await conn.fetch(sql, *self._ordered(query_name, parameters)):
            yield record

    async def select_one(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        assert record_class is None
        return await conn.fetchrow(sql, *self._ordered(query_name, parameters))

    async def select_value(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Any:
        return await conn.fetchval(sql, *self._ordered(query_name, parameters))

    async def insert_update_delete(
        self, conn: Any, query_name: str, sql: str, parameters: Any
    ) -> Any:
        return await conn.execute(sql, *self._ordered(query_name, parameters))


aiosql.register_adapter("muster-asyncpg", _DirectAdapter)  # type: ignore[arg-type]


def load(name: str) -> Any:
    """The queries of queries/<name>.sql: coroutine functions `query(connection, **parameters)`."""
    return aiosql.from_path(_QUERIES / f"{name}.sql", "muster-asyncpg")
