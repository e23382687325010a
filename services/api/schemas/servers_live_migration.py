"""Body of the live migration action, per microversion."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import BOOLEAN, HOST, nullable, record, wrapped

_BOOLEAN_OR_AUTO: Schema = {**BOOLEAN, "enum": [*BOOLEAN["enum"], "auto"]}


def migrate_live(v: int) -> Schema:
    properties: dict[str, Schema] = {
        "host": nullable(HOST),
        "block_migration": BOOLEAN if v < versions.BLOCK_MIGRATION_AUTO else _BOOLEAN_OR_AUTO,
    }
    required: tuple[str, ...] = ("block_migration", "host")
    if v < versions.BLOCK_MIGRATION_AUTO:
        properties["disk_over_commit"] = BOOLEAN
        required = (*required, "disk_over_commit")
    if versions.LIVE_MIGRATE_FORCE <= v < versions.FORCE_GONE:
        properties["force"] = BOOLEAN
    return wrapped("os-migrateLive", record(properties, required=required))
