"""What happened in a storm, and what is wrong after it, as numbers.

Owns: the counts, and the translation of broken invariants into the four questions that a storm
answers: stuck, lost, twice, leaked. May not: gather facts. Crash story: none; it only counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

QUESTIONS = ("stuck", "lost", "twice", "leaked", "other")
"""`other` is whatever has no place elsewhere, such as errors without a reason."""

KINDS = {
    "stuck": "stuck",
    "unheard": "stuck",
    "lost": "lost",
    "claim missing": "lost",
    "attachment missing": "lost",
    "attachment wrong": "lost",
    "volume lost": "lost",
    "guest differs": "lost",
    "not shown": "lost",
    "not there": "lost",
    "ran twice": "twice",
    "made twice": "twice",
    "orphan guest": "leaked",
    "claim leaked": "leaked",
    "ledger wrong": "leaked",
    "port leaked": "leaked",
    "ports differ": "leaked",
    "image leaked": "leaked",
    "attachment leaked": "leaked",
    "disk leaked": "leaked",
    "volume leaked": "leaked",
    "leftover": "leaked",
}
"""By how a line of the verdict begins (see deploy/chaos/invariants.py)."""


def answers(wrong: Iterable[str]) -> dict[str, int]:
    """How many lines of the verdict belong to each question."""
    counts = Counter(KINDS.get(line.partition(":")[0], "other") for line in wrong)
    return {question: counts[question] for question in QUESTIONS}


@dataclass
class Tally:
    """One seed's counts; `wrong` is empty when all is well."""

    asked: Counter[str] = field(default_factory=Counter)
    """Operations that were accepted, by kind."""
    done: Counter[str] = field(default_factory=Counter)
    """Those that ended as asked; the others left the server as it was, or in ERROR with a reason,
    or were overtaken by an evacuation or a delete."""
    refused: Counter[str] = field(default_factory=Counter)
    """Operations that were not accepted."""
    faults: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    """Faults whose moment never came."""
    strikes: list[str] = field(default_factory=list)
    """What was struck, when, and by which fault."""
    errors: Counter[str] = field(default_factory=Counter)
    """Reasons of servers that are in ERROR at the end."""
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "operations": {k: [self.done[k], self.asked[k]] for k in sorted(self.asked)},
            "refused": dict(self.refused),
            "faults": dict(self.faults),
            "missed": self.missed,
            "strikes": self.strikes,
            "errors": dict(self.errors),
            **answers(self.wrong),
            "wrong": self.wrong,
        }


def total(seeds: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The sums over `as_json` of all seeds."""
    operations: dict[str, list[int]] = {}
    sums: dict[str, Counter[str]] = {name: Counter() for name in ("refused", "faults", "errors")}
    numbers: Counter[str] = Counter()
    for seed in seeds:
        for kind, (done, asked) in seed["operations"].items():
            before = operations.get(kind, [0, 0])
            operations[kind] = [before[0] + done, before[1] + asked]
        for name, counts in sums.items():
            counts.update(seed[name])
        for name in ("missed", *QUESTIONS):
            numbers[name] += seed[name]
    return {
        "operations": dict(sorted(operations.items())),
        **{name: dict(counts) for name, counts in sums.items()},
        **{name: numbers[name] for name in ("missed", *QUESTIONS)},
    }
