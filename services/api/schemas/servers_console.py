"""Body of the console output action."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import integer, nullable, record, wrapped


def output(_v: int) -> Schema:
    return wrapped("os-getConsoleOutput", record({"length": nullable(integer(-1))}))
