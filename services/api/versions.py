"""Every microversion change of the Compute API, named once.

Schemas, views and handlers say `versions.SERVER_TAGS`, never a bare number; 2.n is the integer n.
Owns: the names, in order, each with what it changed. May not: know how a change is carried out.
Crash story: none, a table.
"""

from __future__ import annotations

MAJOR = 2
MIN = 1
MAX = 104


class Change(int):
    """The microversion from which something is different; an ordinary integer otherwise."""

    summary: str

    @classmethod
    def at(cls, minor: int, summary: str) -> Change:
        change = cls(minor)
        change.summary = summary
        return change


def before(change: int) -> int:
    """The last version without a change, for `until`."""
    return change - 1


def show(version: int) -> str:
    """The text form, "2.96"."""
    return f"{MAJOR}.{version}"


OWN_DESCRIPTION = Change.at(19, "Servers have a description of their own.")
EVERY_QUERY_CLOSED = Change.at(102, "Reads refuse query parameters they do not know.")
