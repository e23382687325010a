"""What may be asked about and of key pairs."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema
from services.api.schemas.parts import TEXT, record, wrapped
from services.api.schemas.query import ANY, LIMIT, many, parameters

_CHARACTERS = r"^[_\-@. a-zA-Z0-9]+$"
_FEWER_CHARACTERS = r"^[_\- a-zA-Z0-9]+$"


def _name(pattern: str) -> Schema:
    return {
        "type": "string", "minLength": 1, "maxLength": 255, "format": "name", "pattern": pattern
    }  # fmt: skip


def create(v: int) -> Schema:
    properties = {
        "name": _name(_CHARACTERS if v >= versions.KEYPAIR_NAME_CHARACTERS else _FEWER_CHARACTERS),
        "public_key": TEXT,
    }
    if v >= versions.KEYPAIR_TYPES:
        properties["type"] = {"type": "string", "enum": ["ssh", "x509"]}
    if v >= versions.KEYPAIRS_OF_USERS:
        properties["user_id"] = {"type": "string", "maxLength": 255, "pattern": "^[a-zA-Z0-9-]*$"}
    required = ("name", "public_key") if v >= versions.KEYPAIR_IMPORT_ONLY else ("name",)
    return wrapped("keypair", record(properties, required=required))


def list_query(v: int) -> Schema:
    known = {"user_id": many(ANY)} if v >= versions.KEYPAIRS_OF_USERS else {}
    if v >= versions.KEYPAIRS_PAGED:
        known.update(limit=many(LIMIT), marker=many(ANY))
    return parameters(known, closed=v >= versions.UNKNOWN_KEYS_REFUSED)


def one_query(v: int) -> Schema:
    known = {"user_id": many(ANY)} if v >= versions.KEYPAIRS_OF_USERS else {}
    return parameters(known, closed=v >= versions.UNKNOWN_KEYS_REFUSED)
