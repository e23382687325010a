"""What may be asked about and of server groups."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import NAME, integer, record, wrapped
from services.api.schemas.query import ANY, LIMIT, many, parameters

_HARD = ["anti-affinity", "affinity"]
_ALL = [*_HARD, "soft-anti-affinity", "soft-affinity"]


def create(v: int) -> Schema:
    if v < versions.SERVER_GROUP_RULES:
        policy = {"type": "string", "enum": _ALL if v >= versions.SOFT_AFFINITY else _HARD}
        policies: Schema = {
            "type": "array",
            "items": policy,
            "minItems": 1,
            "maxItems": 1,
        }
        properties, required = {"name": NAME, "policies": policies}, ("name", "policies")
    else:
        properties = {
            "name": NAME,
            "policy": {"type": "string", "enum": _ALL},
            "rules": record({"max_server_per_host": integer(1)}),
        }
        required = ("name", "policy")
    return wrapped("server_group", record(properties, required=required))


def list_query(v: int) -> Schema:
    known = {"all_projects": many(ANY), "limit": many(LIMIT), "offset": many(LIMIT)}
    return parameters(known, closed=v >= versions.UNKNOWN_KEYS_REFUSED)
