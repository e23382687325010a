"""`muster db`.

Owns: words around common.db.migrate and common.db.stores.archive; where an archive run stops.
May not: run SQL. Crash story: see those; what was said to be done is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import asdict
from typing import Any

from common.config.settings import DatabaseSettings, load
from common.db import migrate
from common.db.pool import close_pool, create_pool
from common.db.stores import archive as store
from common.db.stores import leftovers as leftovers_store
from common.db.stores.archive import Moved
from common.db.version import SCHEMA_VERSION
from common.runtime.ports import Clock
from deploy.cli import terminal
from deploy.local.database import checked
from deploy.local.home import LocalClusterError


def upgrade() -> int:
    settings = load().database
    before = asyncio.run(checked(migrate.current(settings), settings.url))
    if before is not None and before > SCHEMA_VERSION:
        raise LocalClusterError(
            f"the database has schema {before}, this release knows {SCHEMA_VERSION}: "
            "use a newer Muster, or another database"
        )
    after = asyncio.run(checked(migrate.upgrade(settings), settings.url))
    told = "is at" if before == after else f"went from {before or 'nothing'} to"
    terminal.say(f"The schema {told} {after}.")
    return 0


def current() -> int:
    settings = load().database
    found = asyncio.run(checked(migrate.current(settings), settings.url))
    terminal.say(f"database {found or 'none'}, this release {SCHEMA_VERSION}")
    return 0 if found == SCHEMA_VERSION else 1


def archive(
    *,
    older_than_days: float | None,
    batch: int,
    most: int | None,
    max_seconds: float | None,
    keep: bool,
    as_json: bool,
) -> int:
    settings = load().database
    days = settings.archive_after_days if older_than_days is None else older_than_days
    found = asyncio.run(checked(migrate.current(settings), settings.url))
    if found != SCHEMA_VERSION:
        raise LocalClusterError(
            f"the database has schema {found or 'none'}, this release needs {SCHEMA_VERSION}: "
            "run ./muster db upgrade"
        )
    work = _archive(settings, days, batch=batch, most=most, max_seconds=max_seconds, keep=keep)
    result = asyncio.run(checked(work, settings.url))
    if as_json:
        terminal.print_json(result)
    else:
        done = "Archived" if keep else "Deleted"
        terminal.say(
            f"{done} {result['servers']} servers that were deleted more than {days:g} days ago, "
            f"{result['instance_actions']} actions, {result['events']} events, "
            f"{result['migrations']} migrations in {result['seconds']} s."
        )
        if result["remaining"]:
            terminal.say(f"{result['remaining']} more stay: {_STAY[result['stopped_by']]}")
    return 130 if result["stopped_by"] == "interrupt" else 0


_STAY = {
    None: "they are not settled, or their hosts have not been heard of since.",
    "most": "--most is reached; run it again.",
    "max-seconds": "--max-seconds is reached; run it again.",
    "interrupt": "it was interrupted; run it again.",
}
"""By what stopped the run."""


async def _archive(
    settings: DatabaseSettings,
    days: float,
    *,
    batch: int,
    most: int | None,
    max_seconds: float | None,
    keep: bool,
) -> dict[str, Any]:
    clock = Clock()
    began = clock.monotonic()
    interrupted = asyncio.Event()
    with contextlib.suppress(NotImplementedError, RuntimeError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    pool = await create_pool(settings, application="muster-archive", min_size=1)
    moved, stopped_by = Moved(), None
    try:
        before = await store.deleted_before(pool, days)
        async for each in store.batches(pool, before, batch=batch, most=most, keep=keep):
            moved += each
            if interrupted.is_set():
                stopped_by = "interrupt"
            elif max_seconds is not None and clock.monotonic() - began >= max_seconds:
                stopped_by = "max-seconds"
            elif moved.servers == most:
                stopped_by = "most"
            if stopped_by:
                break
        remaining = await store.remaining(pool, before)
    finally:
        await close_pool(pool)
    return {
        **asdict(moved),
        "remaining": remaining,
        "stopped_by": stopped_by,
        "seconds": round(clock.monotonic() - began, 1),
    }


def leftovers(*, as_json: bool) -> int:
    settings = load().database
    rows = asyncio.run(checked(_leftovers(settings), settings.url))
    if as_json:
        terminal.print_json({"leftovers": rows})
    elif not rows:
        terminal.say("Nothing is left over.")
    else:
        columns = ["since", "server", "what", "which", "attempts", "next", "reason"]
        terminal.table(columns, [list(row.values()) for row in rows])
    return 1 if rows else 0


async def _leftovers(settings: DatabaseSettings) -> list[dict[str, Any]]:
    pool = await create_pool(settings, application="muster-leftovers", min_size=1)
    try:
        return [
            {
                "since": f"{row.created_at:%Y-%m-%d %H:%M:%S}",
                "server": str(row.server_uuid),
                "kind": row.kind,
                "detail": ", ".join(f"{k} {v}" for k, v in sorted(row.detail.items())),
                "attempts": row.attempts,
                "next": f"{row.due_at:%Y-%m-%d %H:%M:%S}",
                "reason": row.reason,
            }
            for row in await leftovers_store.listing(pool)
        ]
    finally:
        await close_pool(pool)
