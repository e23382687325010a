"""Attributes of hosts under the names that operators know from extra specs and queries.

Owns: the table of names. What is below an attribute (`cpu_info`) is found by a path.
May not: change anything. Crash story: none, pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.scheduler.hosts import DISK_GIB, MEMORY_MIB, VCPUS, Flags, Hosts, Kind

Column: TypeAlias = NDArray[Any]

_COLUMNS: dict[str, Callable[[Hosts], Column]] = {
    "host": lambda h: np.array(h.names, dtype=np.str_),
    "nodename": lambda h: np.array(h.nodes, dtype=np.str_),
    "hypervisor_hostname": lambda h: np.array(h.nodes, dtype=np.str_),
    "host_ip": lambda h: np.array(h.addresses, dtype=np.str_),
    "total_usable_ram_mb": lambda h: h.total[MEMORY_MIB],
    "free_ram_mb": lambda h: h.total[MEMORY_MIB] - h.taken(MEMORY_MIB),
    "total_usable_disk_gb": lambda h: h.total[DISK_GIB],
    "free_disk_mb": lambda h: (h.total[DISK_GIB] - h.taken(DISK_GIB)) * 1024,
    "disk_mb_used": lambda h: h.taken(DISK_GIB) * 1024,
    "vcpus_total": lambda h: h.total[VCPUS],
    "vcpus_used": lambda h: h.taken(VCPUS),
    "num_instances": lambda h: h.servers,
    "num_io_ops": lambda h: h.busy,
    "failed_builds": lambda h: h.failed_builds,
    "hypervisor_version": lambda h: h.hypervisor_versions,
}
"""A value for each host."""

_OF_KINDS: dict[str, Callable[[Kind], Any]] = {
    "hypervisor_type": lambda kind: kind.hypervisor_type,
    "cpu_info": lambda kind: kind.cpu_info,
    "supported_instances": lambda kind: kind.supported_instances,
}
"""A value for each kind of host, with others below it perhaps."""

NAMES = _COLUMNS.keys() | _OF_KINDS.keys()


def where(hosts: Hosts, path: Sequence[str], fits: Callable[[Any], bool]) -> Flags:
    """Hosts whose attribute fits; `fits` is asked once for each value there is, and about None
    where there is none."""
    name, *below = path
    if name in _OF_KINDS:
        return hosts.of_kinds(lambda kind: fits(_below(_OF_KINDS[name](kind), below)))
    if name not in _COLUMNS or below:
        return hosts.everywhere() if fits(None) else ~hosts.everywhere()
    values, positions = np.unique(_COLUMNS[name](hosts), return_inverse=True)
    flags: Flags = np.array([fits(value) for value in values.tolist()], dtype=np.bool_)[positions]
    return flags


def column(hosts: Hosts, path: Sequence[str]) -> Column | None:
    """The attribute of each host; None: there is no such attribute. Where a kind has no value it is
    the empty text."""
    name, *below = path
    if name in _COLUMNS:
        return None if below else _COLUMNS[name](hosts)
    if name not in _OF_KINDS:
        return None
    values = [_below(_OF_KINDS[name](kind), below) for kind in hosts.kinds]
    if not any(isinstance(value, str | int | float) for value in values):
        return None
    numeric = all(isinstance(value, int | float) for value in values)
    values = [value if isinstance(value, str | int | float) else "" for value in values]
    known: Column = np.array([*values, -1] if numeric else [*map(str, values), ""])
    found: Column = known[hosts.kind_of]
    return found


def _below(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
