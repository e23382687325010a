"""What a choice is made from: all hosts as arrays, and one request.

Owns: the shapes filters and weighers work on. Resources are rows of a (3, hosts) array in the
order VCPUS, MEMORY_MIB, DISK_GIB, so that one class of all hosts is one contiguous vector.
May not: do I/O. Crash story: arrays are a copy of the truth and may be thrown away at any time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.config.scheduler import SchedulerSettings
from common.domain.requested import Requested

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

VCPUS, MEMORY_MIB, DISK_GIB = range(3)
Amounts = tuple[int, int, int]
"""In that order."""


@dataclass(frozen=True)
class Aggregate:
    metadata: Mapping[str, frozenset[str]]
    """The zone among them. A text lists its values with commas between them."""
    members: NDArray[np.intp]
    """Positions of its hosts."""


@dataclass(frozen=True)
class Kind:
    """What many hosts have in common."""

    hypervisor_type: str
    hypervisor_version: int
    cpu_info: dict[str, Any]
    supported_instances: list[list[str]]
    """(architecture, hypervisor type, virtual machine mode) of guests."""


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
    busy: Integers
    """Operations under way that read or write much."""
    hypervisor_versions: Integers
    aggregates: list[Aggregate] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    """Only there for requests that need it; see facts.py. So are the next two."""
    kind_of: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    """Positions in `kinds`; -1 where nothing is known."""
    addresses: list[str] = field(default_factory=list)
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

    def everywhere(self) -> Flags:
        return np.ones(len(self), dtype=np.bool_)

    def of_kinds(self, accepts: Callable[[Kind], bool]) -> Flags:
        """Hosts whose kind is accepted; those of which nothing is known are not."""
        accepted = np.array([*(accepts(kind) for kind in self.kinds), False], dtype=np.bool_)
        flags: Flags = accepted[self.kind_of]
        return flags

    def in_aggregates(self, accepts: Callable[[Mapping[str, frozenset[str]]], bool]) -> Flags:
        """Hosts in an aggregate whose metadata are accepted."""
        flags = np.zeros(len(self), dtype=np.bool_)
        for aggregate in self.aggregates:
            if accepts(aggregate.metadata):
                flags[aggregate.members] = True
        return flags

    def least(self, key: str, otherwise: float) -> Floats:
        """The least number that the host's aggregates have under this key; what is no number does
        not count."""
        values = np.full(len(self), np.nan)
        for aggregate in self.aggregates:
            numbers = [_number(text) for text in aggregate.metadata.get(key, ())]
            least = min((each for each in numbers if each is not None), default=np.nan)
            values[aggregate.members] = np.fmin(values[aggregate.members], least)
        return np.where(np.isnan(values), otherwise, values)

    def free(self, resource: int) -> Floats:
        """What is left of a resource class; negative where a host has shrunk."""
        free: Floats = self.usable[resource] - self.taken(resource)
        return free

    def fits(self, resource: int, amount: int) -> Flags:
        """Hosts with room for `amount`. One server may have at most all of a host's own; who asks
        for nothing fits everywhere, also where a host has shrunk below what is used."""
        if amount == 0:
            return np.ones(len(self), dtype=np.bool_)
        enough = self.taken(resource) + amount <= self.usable[resource]
        passing: Flags = enough & (amount <= self.total[resource])
        return passing

    def taken(self, resource: int) -> Integers:
        """Used, or promised to be."""
        taken: Integers = self.used[resource] + self.promised[resource]
        return taken

    @property
    def servers(self) -> Integers:
        """How many have, or are promised, room."""
        servers: Integers = self.allocations + self.promises
        return servers

    def members(self, group: Group) -> Integers:
        """How many other members of the request's group are there."""
        counts = np.zeros(len(self), dtype=np.int64)
        for host, members in group.others.items():
            if host in self.index:
                counts[self.index[host]] = members
        return counts

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


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Group:
    """The server's group."""

    policy: str
    max_per_host: int = 1
    others: Mapping[str, int] = field(default_factory=dict)
    """How many other members are, or are about to be, on a host. A move is on two."""


DEFAULTS = SchedulerSettings()
NOTHING_MORE = Requested(0, 0, 0)


@dataclass(frozen=True)
class Request:
    """One question."""

    amounts: Amounts
    settings: SchedulerSettings = DEFAULTS
    project_id: str = ""
    flavor_name: str = ""
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    """Of the flavor."""
    image_id: str | None = None
    image_properties: Mapping[str, Any] = field(default_factory=dict)
    hints: Mapping[str, Any] = field(default_factory=dict)
    group: Group | None = None
    requested: Requested = NOTHING_MORE
    """Beyond the amounts: what no host offers, and traits."""
    availability_zone: str | None = None
    force_host: str | None = None
    requested_host: str | None = None
    exclude_hosts: frozenset[str] = frozenset()
    same_hosts: frozenset[str] | None = None
    """Hosts of the servers named by the hint; None: no such hint."""
    different_hosts: frozenset[str] = frozenset()
