"""Bodies of the actions that move a server to another flavor or host with a pause."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import HOST, nullable, record, wrapped
from services.api.schemas.servers import DISK_CONFIG

_FLAVOR: Schema = {"type": ["string", "integer"], "minLength": 1}


def resize(_v: int) -> Schema:
    properties = {"flavorRef": _FLAVOR, "OS-DCF:diskConfig": DISK_CONFIG}
    return wrapped("resize", record(properties, required=("flavorRef",)))


def migrate(v: int) -> Schema:
    if v < versions.MIGRATE_HOST:
        return wrapped("migrate", {})
    return wrapped("migrate", nullable(record({"host": nullable(HOST)})))
