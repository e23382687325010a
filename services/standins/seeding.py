"""Ids of seeded things.

Owns: the rule that a seeded thing has the same id in every cloud and after every restart, so that
stand-ins can name each other's seeds without asking. May not: create anything.
Crash story: pure functions.
"""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "muster:standins")


def seed_uuid(kind: str, name: str) -> str:
    """The dashed form that image and network use."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}:{name}"))


def seed_hex(kind: str, name: str) -> str:
    """The 32 digits that identity uses."""
    return uuid.uuid5(_NAMESPACE, f"{kind}:{name}").hex
