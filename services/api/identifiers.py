"""Ids as paths and queries write them.

Owns: reading a UUID, and the id of a service or a hypervisor, which was a number once, as its
microversion writes it.
May not: look anything up. Crash story: none.
"""

from __future__ import annotations

from uuid import UUID

from services.api import versions

_MOST_DIGITS = 18
"""More than any bigint key needs, and less than it can hold."""


def parse_uuid(text: str) -> UUID | None:
    """A UUID in one of its usual forms; None: nothing can have that id."""
    if len(text) not in {32, 36}:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def parse_number(text: str) -> int | None:
    """A key of the database as decimal digits; None for any other text."""
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return int(text)
    return None


def parse(text: str, version: int) -> UUID | int | None:
    """The UUID (2.53 and later) or number (before); None for text of another form."""
    return parse_uuid(text) if version >= versions.SERVICE_UUIDS else parse_number(text)
