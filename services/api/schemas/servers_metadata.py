"""Bodies that write a server's metadata and tags."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import wrapped
from services.api.schemas.servers import METADATA, TAGS


def metadata(_v: int) -> Schema:
    return wrapped("metadata", METADATA)


def item(_v: int) -> Schema:
    return wrapped("meta", {**METADATA, "minProperties": 1, "maxProperties": 1})


def tags(_v: int) -> Schema:
    return wrapped("tags", TAGS)


def nothing(_v: int) -> Schema:
    """PUT of one tag: the path says it all."""
    return {"type": "null"}
