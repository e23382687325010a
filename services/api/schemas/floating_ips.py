"""Bodies of requests about floating IPs, to 2.35 and as server actions to 2.43."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import record, wrapped
from services.api.schemas.servers_interfaces import ADDRESS


def create(_version: int) -> Schema:
    """The body may be null, and other keys are dropped."""
    return {"type": ["object", "null"], "properties": {"pool": {"type": ["string", "null"]}}}


def add(_version: int) -> Schema:
    properties = {"address": ADDRESS, "fixed_address": ADDRESS}
    return wrapped("addFloatingIp", record(properties, required=("address",)))


def remove(_version: int) -> Schema:
    return wrapped("removeFloatingIp", record({"address": ADDRESS}, required=("address",)))
