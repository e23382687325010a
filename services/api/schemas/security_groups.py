"""Bodies and queries of requests about security groups and their rules, to 2.35."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import INT32_MAX, UUID, nullable
from services.api.schemas.query import LIMIT, closed_from
from services.api.versions import NEVER

_ANY: Schema = {}


def _open(key: str, properties: dict[str, Schema], required: tuple[str, ...]) -> Schema:
    """`{key: {...}}` where other names are dropped, at both depths."""
    inner: Schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "object", "properties": {key: inner}, "required": [key]}


def group(_version: int) -> Schema:
    text: Schema = {"type": "string", "minLength": 0, "maxLength": 255}
    return _open("security_group", {"name": text, "description": text}, ("name", "description"))


def rule(_version: int) -> Schema:
    properties = {
        "parent_group_id": UUID,
        "group_id": nullable(UUID),
        "ip_protocol": _ANY,
        "from_port": _ANY,
        "to_port": _ANY,
        "cidr": _ANY,
    }
    return _open("security_group_rule", properties, ("parent_group_id",))


groups_query = closed_from(NEVER, limit=LIMIT, offset=LIMIT, all_tenants={"type": "string"})
MOST = INT32_MAX
