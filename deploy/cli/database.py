"""`muster db`. Owns: words around common.db.migrate. May not: run SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import asyncpg

from common.config.settings import load
from common.db import migrate
from common.db.version import SCHEMA_VERSION
from deploy.cli import terminal
from deploy.local.home import LocalClusterError

T = TypeVar("T")


def _run(work: Coroutine[None, None, T], url: str) -> T:
    try:
        return asyncio.run(work)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise LocalClusterError(
            f"{url}: {error}; set MUSTER_DATABASE__URL and MUSTER_DATABASE__PASSWORD"
        ) from error
    except asyncpg.PostgresError as error:
        raise LocalClusterError(f"{url}: {error}") from error
    except (OSError, TimeoutError) as error:
        raise LocalClusterError(
            f"no PostgreSQL answers at {url} ({error}); start it, or set MUSTER_DATABASE__URL"
        ) from error


def upgrade() -> int:
    settings = load().database
    before = _run(migrate.current(settings), settings.url)
    if before is not None and before > SCHEMA_VERSION:
        raise LocalClusterError(
            f"the database has schema {before}, this release knows {SCHEMA_VERSION}: "
            "use a newer Muster, or another database"
        )
    after = _run(migrate.upgrade(settings), settings.url)
    told = "is at" if before == after else f"went from {before or 'nothing'} to"
    terminal.say(f"The schema {told} {after}.")
    return 0


def current() -> int:
    settings = load().database
    found = _run(migrate.current(settings), settings.url)
    terminal.say(f"database {found or 'none'}, this release {SCHEMA_VERSION}")
    return 0 if found == SCHEMA_VERSION else 1
