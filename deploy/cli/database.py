"""`muster db`. Owns: words around common.db.migrate. May not: run SQL."""

from __future__ import annotations

import asyncio

from common.config.settings import load
from common.db import migrate
from common.db.version import SCHEMA_VERSION
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
