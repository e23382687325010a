"""Where can this go? A pure function from all hosts and one request to a plan.

Owns: the order of filters and weighers, the counts, the sentence in the fault.
May not: do I/O, look at a clock, or draw randomness other than from the generator it is given.
Crash story: none. A plan is a proposal; only a conductor's claim makes it true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.scheduler.filters import Filter
from services.scheduler.hosts import Floats, Hosts, Request
from services.scheduler.weighers import WEIGHERS, Weigher


@dataclass
class Plan:
    """The answer. The counts in `eliminated` and the candidates add up to `considered`."""

    considered: int
    candidates: NDArray[np.intp]
    """Positions in `Hosts`, best first."""
    eliminated: dict[str, int] = field(default_factory=dict)
    """Hosts removed, by filter; filters that removed none are absent."""

    @property
    def reason(self) -> str:
        """Why nobody is left, for the server's fault."""
        return no_valid_host(self.considered, self.eliminated)


def no_valid_host(considered: int, eliminated: Mapping[str, int]) -> str:
    """E.g. "No valid host was found. 5 hosts: 2 removed by ComputeFilter (down), 3 by RamFilter."

    Clients look for the first sentence.
    """
    if not considered:
        return "No valid host was found. No host has registered yet."
    first, *others = [f"by {name}" for name in eliminated] or ["by nobody"]
    counts = [f"{count:,}" for count in eliminated.values()] or ["0"]
    parts = [f"{counts[0]} removed {first}"]
    parts += [f"{count} {name}" for count, name in zip(counts[1:], others, strict=True)]
    noun = "host" if considered == 1 else "hosts"
    return f"No valid host was found. {considered:,} {noun}: {', '.join(parts)}."


def place(
    hosts: Hosts,
    request: Request,
    filters: Sequence[Filter],
    tie_breaker: np.random.Generator,
) -> Plan:
    """Filter and weigh all hosts at once."""
    passing = np.ones(len(hosts), dtype=np.bool_)
    eliminated: dict[str, int] = {}
    left = len(hosts)
    for each in filters:
        if request.force_host is not None and not each.when_forced:
            continue
        passing &= each.passes(hosts, request)
        still = int(np.count_nonzero(passing))
        if still < left:
            eliminated[each.name] = left - still
            left = still
    candidates = np.flatnonzero(passing)
    return Plan(
        considered=len(hosts),
        candidates=candidates[_order(hosts, request, candidates, tie_breaker)],
        eliminated=eliminated,
    )


def _order(
    hosts: Hosts,
    request: Request,
    candidates: NDArray[np.intp],
    tie_breaker: np.random.Generator,
) -> NDArray[np.intp]:
    """By weight; equals by fewest servers; still equals by lot, so that several schedulers looking
    at the same empty cluster do not all run to the same host."""
    weights = np.zeros(len(candidates))
    for each in WEIGHERS:
        multiplier = _multiplier(hosts, request, each, candidates)
        if multiplier is not None:
            weights += multiplier * _scaled(each.weigh(hosts, request)[candidates])
    lot = tie_breaker.random(len(candidates))
    return np.lexsort((lot, hosts.servers[candidates], -weights))


def _multiplier(
    hosts: Hosts, request: Request, weigher: Weigher, candidates: NDArray[np.intp]
) -> Floats | float | None:
    """One for all, or one a candidate where aggregates have their own; None: it counts nothing."""
    setting: float = getattr(request.settings, weigher.setting)
    if any(weigher.setting in aggregate.metadata for aggregate in hosts.aggregates):
        return hosts.least(weigher.setting, setting)[candidates]
    return setting or None


def _scaled(values: Floats) -> Floats:
    """Into 0..1; all equal gives all 0."""
    if not len(values):
        return values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros(len(values))
