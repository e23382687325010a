"""Bodies that ask for a console."""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema, SchemaOf
from services.api.schemas.parts import record, wrapped

_PROTOCOLS = ["vnc", "spice", "serial", "rdp"]
_TYPES = ["novnc", "xvpvnc", "spice-html5", "serial", "rdp-html5"]


def action(key: str, *types: str) -> SchemaOf:
    """The body of a server action for one protocol."""
    schema = wrapped(key, record({"type": _one_of(types)}, required=("type",)))
    return lambda _v: schema


def create(v: int) -> Schema:
    protocols, types = list(_PROTOCOLS), list(_TYPES)
    if v >= versions.MKS_CONSOLES:
        protocols.append("mks")
        types.append("webmks")
    if v >= versions.SPICE_DIRECT:
        types.append("spice-direct")
    wanted = {"protocol": _one_of(protocols), "type": _one_of(types)}
    return wrapped("remote_console", record(wanted, required=("protocol", "type")))


def _one_of(names: list[str] | tuple[str, ...]) -> Schema:
    return {"type": "string", "enum": list(names)}
