"""What a choice is made from: all hosts as arrays, and one request.

Owns: the shapes filters and weighers work on. Resources are rows of a (3, hosts) array in the
order VCPUS, MEMORY_MIB, DISK_GIB, so that one class of all hosts is one contiguous vector.
May not: do I/O. Crash story: arrays are a copy of the truth and may be thrown away at any time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

VCPUS, MEMORY_MIB, DISK_GIB = range(3)
Amounts = tuple[int, int, int]
"""In that order."""


@dataclass
class Hosts:
    """One element (or column) per host. Only `used`, `pending` and `allocations` change."""

    names: list[str]
    nodes: list[str]
    zones: NDArray[np.str_]
    enabled: Flags
    alive: Flags
    """Heartbeats are fresh and nobody forced it down."""
    total: Integers
    usable: Floats
    """(total - reserved) x allocation ratio."""
    used: Integers
    """As read, and what has been claimed through this copy since."""
    allocations: Integers
    failed_builds: Integers
    read_at: float = 0.0
    """Monotonic time at which the reading began."""
    pending: Integers = field(init=False)
    """Claims in the air: most likely used in a moment, but not the truth yet."""
    index: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.pending = np.zeros_like(self.used)
        self.index = {name: position for position, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def among(self, names: Iterable[str]) -> Flags:
        """True for the hosts called so; names of unknown hosts are nobody."""
        flags = np.zeros(len(self), dtype=np.bool_)
        flags[[self.index[name] for name in names if name in self.index]] = True
        return flags

    def free(self, resource: int) -> Floats:
        """What is left of a resource class; negative where a host has shrunk."""
        free: Floats = self.usable[resource] - self._taken(resource)
        return free

    def fits(self, resource: int, amount: int) -> Flags:
        """Hosts with room for `amount`. One server may have at most all of a host's own; who asks
        for nothing fits everywhere, also where a host has shrunk below what is used."""
        if amount == 0:
            return np.ones(len(self), dtype=np.bool_)
        enough = self._taken(resource) + amount <= self.usable[resource]
        passing: Flags = enough & (amount <= self.total[resource])
        return passing

    def _taken(self, resource: int) -> Integers:
        taken: Integers = self.used[resource] + self.pending[resource]
        return taken

    def reserve(self, position: int, amounts: Amounts) -> None:
        """A claim is on its way: requests that are placed meanwhile look elsewhere first."""
        self.pending[:, position] += amounts

    def settle(self, position: int, amounts: Amounts, *, claimed: bool) -> None:
        """The claim has been answered."""
        self.pending[:, position] -= amounts
        if claimed:
            self.used[:, position] += amounts
            self.allocations[position] += 1

    def without_pending(self) -> Hosts:
        """A view in which claims in the air do not count."""
        view = copy.copy(self)
        view.pending = np.zeros_like(self.pending)
        return view


@dataclass(frozen=True)
class Request:
    """One question."""

    amounts: Amounts
    availability_zone: str | None = None
    force_host: str | None = None
    requested_host: str | None = None
    exclude_hosts: frozenset[str] = frozenset()
    same_hosts: frozenset[str] | None = None
    """Hosts of the servers named by the hint; None: no such hint."""
    different_hosts: frozenset[str] = frozenset()
