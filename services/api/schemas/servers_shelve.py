"""Body of the unshelve action."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import NAME, TEXT, nullable, record, wrapped


def unshelve(v: int) -> Schema:
    if v < versions.UNSHELVE_ZONE:
        return wrapped("unshelve", {})
    if v < versions.UNSHELVE_HOST:
        argument = record({"availability_zone": NAME}, required=("availability_zone",))
    else:
        argument = record({"availability_zone": nullable(TEXT), "host": TEXT})
    return wrapped("unshelve", nullable(argument))
