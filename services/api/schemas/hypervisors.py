"""What may be asked about hypervisors."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import BOOLEAN, HOST
from services.api.schemas.query import ANY, LIMIT, any_parameters, many, once, parameters


def list_query(v: int) -> Schema:
    if v < versions.HYPERVISORS_PAGED:
        return any_parameters(v)
    if v < versions.HYPERVISOR_UUIDS:
        return parameters({"limit": many(LIMIT), "marker": many(ANY)}, closed=False)
    known = {
        "limit": once(LIMIT),
        "marker": once(ANY),
        "hypervisor_hostname_pattern": once(HOST),
        "with_servers": once(BOOLEAN),
    }
    return parameters(known, closed=True)


def show_query(v: int) -> Schema:
    if v < versions.HYPERVISOR_UUIDS:
        return any_parameters(v)
    return parameters({"with_servers": once(BOOLEAN)}, closed=True)
