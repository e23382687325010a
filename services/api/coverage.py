"""Which operations there are at which microversions, as a table.

Owns: reading it from the declarations. May not: know anything they do not say. Crash story: none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.api import versions
from services.api.operation import Operation

IMPLEMENTED = "implemented"
_HEAD = """\
# Coverage of the Compute API

Generated from the declarations by `./muster api coverage --write`; do not edit. Outside its
microversions an operation answers 404.

| operation | microversions | |
|---|---|---|
"""


@dataclass(frozen=True)
class Covered:
    """An operation over a range of microversions without a gap."""

    operation: str
    since: int
    until: int
    state: str
    """`IMPLEMENTED`, or with which status it says that it is removed."""

    @property
    def microversions(self) -> str:
        if self.since == self.until:
            return versions.show(self.since)
        return f"{versions.show(self.since)} to {versions.show(self.until)}"


def covered(operations: Iterable[Operation]) -> list[Covered]:
    """By path, then method, then microversion; ranges that only differ inside are one."""
    rows = sorted(operations, key=lambda row: (row.path, row.action or "", row.method, row.since))
    found: list[Covered] = []
    for row in rows:
        state = IMPLEMENTED if row.removed is None else f"removed: {row.removed}"
        this, before = Covered(row.id, row.since, row.until, state), found[-1:]
        if before and _continues(this, before[0]):
            found[-1] = Covered(row.id, before[0].since, row.until, state)
        else:
            found.append(this)
    return found


def _continues(this: Covered, before: Covered) -> bool:
    same = (this.operation, this.state) == (before.operation, before.state)
    return same and this.since == before.until + 1


def document(operations: Iterable[Operation]) -> str:
    """The page docs/api-coverage.md."""
    lines = [
        f"| `{each.operation}` | {each.microversions} | {each.state} |\n"
        for each in covered(operations)
    ]
    return _HEAD + "".join(lines)
