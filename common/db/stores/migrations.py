"""Migration rows as workflows and operators share them while a move is going on.

Owns: `details` of a migration (progress, what is asked for). The other columns are written with
the steps of workflows (stores/workflows.py). Crash story: single statements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from common.db.loader import load
from common.db.pool import Pool

_sql = load("migrations")

AskedFor = Literal["abort", "force_complete"]


@dataclass(frozen=True)
class Unsettled:
    """A resize that is neither confirmed nor reverted, or on its way to it."""

    uuid: UUID
    status: str
    """"finished" until it is asked to be settled."""
    source: str
    source_node: str | None
    source_generation: int


async def progress_record(pool: Pool, uuid: UUID, progress: dict[str, Any]) -> set[str]:
    """Write how far a live migration is (`memory_total_bytes`, `memory_processed_bytes`), also as
    the server's percentage; returns what operators have asked for."""
    asked: list[str] | None = await _sql.record_progress(pool, uuid=uuid, progress=progress)
    if total := progress.get("memory_total_bytes"):
        percent = min(99, 100 * progress.get("memory_processed_bytes", 0) // total)
        await _sql.progress_of_server(pool, uuid=uuid, percent=percent)
    return set(asked or ())


async def ask_for(pool: Pool, uuid: UUID, what: AskedFor) -> None:
    """An operator's wish; the workflow passes it on to the source host."""
    await _sql.ask_for(pool, uuid=uuid, what=what)


async def unsettled(pool: Pool, server_uuid: UUID) -> list[Unsettled]:
    """Newest first; at most one for a sound server."""
    return [Unsettled(**dict(row)) async for row in _sql.unsettled(pool, server_uuid=server_uuid)]
