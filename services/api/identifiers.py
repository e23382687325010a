"""Ids that were numbers once and are UUIDs now.

Owns: reading the id of a service or a hypervisor as its microversion writes it.
May not: look anything up. Crash story: none.
"""

from __future__ import annotations

from uuid import UUID

UUIDS_SINCE = 53
_INT64_MAX = 2**63 - 1


def parse(text: str, version: int) -> UUID | int | None:
    """The UUID (2.53 and later) or number (before); None for text of another form."""
    if version >= UUIDS_SINCE:
        try:
            return UUID(text)
        except ValueError:
            return None
    if text.isascii() and text.isdigit() and int(text) <= _INT64_MAX:
        return int(text)
    return None
