"""Bodies of server actions, per microversion.

Owns: the arguments of each action. May not: know states. Crash story: none.
"""

from __future__ import annotations

from services.api import versions
from services.api.operation import Schema, SchemaOf
from services.api.schemas.parts import BOOLEAN, HOST, SHORT_TEXT, TEXT, record, wrapped


def bare(key: str) -> SchemaOf:
    """An action whose argument means nothing and may be anything."""
    return lambda _v: wrapped(key, {})


def reboot(_v: int) -> Schema:
    kinds = [word for kind in ("hard", "soft") for word in (kind.upper(), kind.title(), kind)]
    kind: Schema = {"type": "string", "enum": kinds}
    return wrapped("reboot", record({"type": kind}, required=("type",)))


def evacuate(v: int) -> Schema:
    properties: dict[str, Schema] = {"host": HOST, "adminPass": TEXT}
    if v < versions.SHARED_STORAGE_FOUND:
        properties["onSharedStorage"] = BOOLEAN
        return wrapped("evacuate", record(properties, required=("onSharedStorage",)))
    if versions.EVACUATE_FORCE <= v < versions.FORCE_GONE:
        properties["force"] = BOOLEAN
    return wrapped("evacuate", record(properties))


def reset_state(_v: int) -> Schema:
    state: Schema = {"type": "string", "enum": ["active", "error"]}
    return wrapped("os-resetState", record({"state": state}, required=("state",)))


def lock(v: int) -> Schema:
    if v < versions.LOCKED_REASON:
        return wrapped("lock", {})
    return wrapped("lock", {**record({"locked_reason": SHORT_TEXT}), "type": ["object", "null"]})
