"""Bodies of the actions that give a server another fixed address and take one away."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import record, wrapped
from services.api.schemas.servers_interfaces import ADDRESS


def add(_version: int) -> Schema:
    network: Schema = {"type": ["string", "number"], "minLength": 1, "maxLength": 36}
    return wrapped("addFixedIp", record({"networkId": network}, required=("networkId",)))


def remove(_version: int) -> Schema:
    return wrapped("removeFixedIp", record({"address": ADDRESS}, required=("address",)))
