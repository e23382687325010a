"""What may be asked about and of flavors."""

from __future__ import annotations

from services.api import versions
from services.api.http.coercion import BECOMES
from services.api.operation import Schema
from services.api.schemas.parts import (
    BOOLEAN,
    DESCRIPTION,
    NAME,
    PROJECT_ID,
    integer,
    nullable,
    record,
    wrapped,
)
from services.api.schemas.query import ANY, LIMIT, many, parameters

_ID: Schema = {
    "type": ["string", "number"],
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[a-zA-Z0-9._\-]([a-zA-Z0-9. _\-]*[a-zA-Z0-9._\-])?$",
}
_FACTOR_MAX = 3.40282e38
_FACTOR_MIN = 5e-324  # anything above zero
_RXTX_FACTOR: Schema = {
    "type": ["number", "string"],
    "pattern": r"^[0-9]+(\.[0-9]+)?$",
    "exclusiveMinimum": 0,
    "maximum": _FACTOR_MAX,
    "textRange": [_FACTOR_MIN, _FACTOR_MAX],
    BECOMES: "number",
}
_EXTRA_SPECS: Schema = {
    "type": "object",
    "patternProperties": {
        r"^[a-zA-Z0-9\-_:. ]{1,255}$": {"type": ["string", "number"], "maxLength": 255}
    },
    "additionalProperties": False,
}
SORT_KEYS = (
    "created_at", "description", "disabled", "ephemeral_gb", "flavorid", "id", "is_public",
    "memory_mb", "name", "root_gb", "rxtx_factor", "swap", "updated_at", "vcpu_weight", "vcpus",
)  # fmt: skip


def create(v: int) -> Schema:
    properties = {
        "name": NAME,
        "id": nullable(_ID),
        "ram": integer(1),
        "vcpus": integer(1),
        "disk": integer(0),
        "OS-FLV-EXT-DATA:ephemeral": integer(0),
        "swap": integer(0),
        "os-flavor-access:is_public": BOOLEAN,
    }
    if v >= versions.FLAVOR_DESCRIPTION:
        properties["description"] = DESCRIPTION
    if v < versions.FLAVOR_FACTOR_GONE:
        properties["rxtx_factor"] = _RXTX_FACTOR
    required = ("name", "ram", "vcpus", "disk")
    return wrapped("flavor", record(properties, required=required))


def update(_v: int) -> Schema:
    return wrapped("flavor", record({"description": DESCRIPTION}, required=("description",)))


def add_access(_v: int) -> Schema:
    return wrapped("addTenantAccess", record({"tenant": PROJECT_ID}, required=("tenant",)))


def remove_access(_v: int) -> Schema:
    return wrapped("removeTenantAccess", record({"tenant": PROJECT_ID}, required=("tenant",)))


def create_extra_specs(_v: int) -> Schema:
    return wrapped("extra_specs", _EXTRA_SPECS)


def update_extra_spec(_v: int) -> Schema:
    return {**_EXTRA_SPECS, "minProperties": 1, "maxProperties": 1}


def list_query(v: int) -> Schema:
    keys = [key for key in SORT_KEYS if v < versions.FLAVOR_FACTOR_GONE or key != "rxtx_factor"]
    known = {
        "limit": many(LIMIT),
        "marker": many(ANY),
        "is_public": many(ANY),
        "minRam": many(ANY),
        "minDisk": many(ANY),
        "sort_key": many({"type": "string", "enum": keys}),
        "sort_dir": many({"type": "string", "enum": ["asc", "desc"]}),
    }
    if v >= versions.FLAVOR_NAME_FILTER:
        known["name"] = many(ANY)
    return parameters(known, closed=v >= versions.UNKNOWN_KEYS_REFUSED)
