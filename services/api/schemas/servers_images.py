"""Bodies of the actions that make images of servers."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import NAME, TEXT, integer, record, wrapped
from services.api.schemas.servers import METADATA


def create_image(_v: int) -> Schema:
    image = record({"name": NAME, "metadata": METADATA}, required=("name",))
    return wrapped("createImage", image)


def create_backup(_v: int) -> Schema:
    properties = {
        "name": NAME,
        "backup_type": TEXT,
        "rotation": integer(0),
        "metadata": METADATA,
    }
    backup = record(properties, required=("name", "backup_type", "rotation"))
    return wrapped("createBackup", backup)
