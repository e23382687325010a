"""What may be asked about and of key pairs."""

from __future__ import annotations

from services.api.operation import Schema
from services.api.schemas.parts import TEXT, record, wrapped
from services.api.schemas.query import ANY, LIMIT, many, parameters


def _name(pattern: str) -> Schema:
    return {
        "type": "string", "minLength": 1, "maxLength": 255, "format": "name", "pattern": pattern
    }  # fmt: skip


def create(v: int) -> Schema:
    properties = {
        "name": _name(r"^[_\-@. a-zA-Z0-9]+$" if v >= 92 else r"^[_\- a-zA-Z0-9]+$"),
        "public_key": TEXT,
    }
    if v >= 2:
        properties["type"] = {"type": "string", "enum": ["ssh", "x509"]}
    if v >= 10:
        properties["user_id"] = TEXT
    required = ("name", "public_key") if v >= 92 else ("name",)
    return wrapped("keypair", record(properties, required=required))


def list_query(v: int) -> Schema:
    known = {"user_id": many(ANY)} if v >= 10 else {}
    if v >= 35:
        known.update(limit=many(LIMIT), marker=many(ANY))
    return parameters(known, closed=v >= 75)


def one_query(v: int) -> Schema:
    return parameters({"user_id": many(ANY)} if v >= 10 else {}, closed=v >= 75)
