"""Server actions that are one verb without arguments: pause, suspend, and back; the crash dump."""

from __future__ import annotations

from common.domain import actions as rows
from services.api import versions
from services.api.actions import simple_operation
from services.api.schemas import servers_power as schemas

OPERATIONS = [
    *map(simple_operation, (rows.PAUSE, rows.UNPAUSE, rows.SUSPEND, rows.RESUME)),
    simple_operation(
        rows.CRASH_DUMP, schemas.trigger_crash_dump, since=versions.TRIGGER_CRASH_DUMP
    ),
]
