"""Query parameters of console tokens."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.query import parameters


def show(v: int) -> Schema:
    return parameters({}, closed=v >= versions.SPICE_DIRECT)
