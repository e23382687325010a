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
    """One element (or column) per host. Only what is promised changes."""

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
    allocations: Integers
    failed_builds: Integers
    read_at: float = 0.0
    """Monotonic time at which the reading began."""
    promised: Integers = field(init=False)
    """Most likely used in a moment, but not the truth yet; see promises.py."""
    promises: Integers = field(init=False)
    """How many."""
    index: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.promised = np.zeros_like(self.used)
        self.promises = np.zeros_like(self.allocations)
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
        taken: Integers = self.used[resource] + self.promised[resource]
        return taken

    def promise(self, position: int, amounts: Amounts) -> None:
        """Requests that are placed from now on find less room here."""
        self.promised[:, position] += amounts
        self.promises[position] += 1

    def withdraw(self, position: int, amounts: Amounts) -> None:
        self.promised[:, position] -= amounts
        self.promises[position] -= 1

    def without_promises(self) -> Hosts:
        """A view of what is the truth already."""
        view = copy.copy(self)
        view.promised = np.zeros_like(self.promised)
        view.promises = np.zeros_like(self.promises)
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
