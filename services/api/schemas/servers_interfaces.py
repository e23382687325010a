"""Bodies of requests that give a server a network interface."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import UUID, record

ADDRESS: Schema = {"type": "string", "oneOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
_FIXED_IPS: Schema = {
    "type": "array",
    "minItems": 1,
    "maxItems": 1,
    "items": record({"ip_address": ADDRESS}, required=("ip_address",)),
}


def attach(v: int) -> Schema:
    """Nothing of it is required: without any of it the project's one network is meant."""
    wanted = {"net_id": UUID, "port_id": UUID, "fixed_ips": _FIXED_IPS}
    if v >= versions.ATTACH_TAGS:
        wanted["tag"] = TAG
    return record({"interfaceAttachment": record(wanted)})
