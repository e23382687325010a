"""The NUMA topology that a flavor gives its guests.

Owns: reading it off extra specs and image properties (hw:numa_nodes and hw_numa_nodes and their
like; what a flavor says wins). May not: know where on a host a guest's memory is: no driver places
it, so nothing is said about that.
Crash story: none; pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.domain.guest_data.facts import cpu_list

_PAGE_SIZES_KIB = {"small": 4, "large": 2048}
_UNITS_KIB = {"": 1, "KB": 1, "MB": 1024, "GB": 1024 * 1024}
_ASKS = frozenset({"numa_nodes", "mem_page_size"})
_PINNED = frozenset({"dedicated", "mixed"})
_MOST_NODES = 64


@dataclass(frozen=True)
class Cell:
    """One node, as the guest sees it."""

    cpus: tuple[int, ...]
    memory_mib: int
    siblings: tuple[tuple[int, ...], ...]
    """Processors that are threads of one core."""


@dataclass(frozen=True)
class Topology:
    cells: tuple[Cell, ...] = ()
    page_size_kib: int | None = None


def topology(
    extra_specs: Mapping[str, str],
    image_properties: Mapping[str, Any],
    *,
    vcpus: int,
    memory_mib: int,
) -> Topology:
    """Without cells when neither flavor nor image asks for one."""

    def asked(name: str) -> str | None:
        value = extra_specs.get(f"hw:{name}", image_properties.get("hw_" + name.replace(".", "_")))
        return None if value is None else str(value)

    if asked("cpu_policy") not in _PINNED and not any(asked(name) for name in _ASKS):
        return Topology()
    count = min(max(_number(asked("numa_nodes"), 1), 1), _MOST_NODES, vcpus)
    threads = max(_number(asked("cpu_threads"), 1), 1)
    cells = []
    for node in range(count):
        chosen = asked(f"numa_cpus.{node}")
        cpus = cpu_list(chosen) if chosen else [*_share(range(vcpus), node, count)]
        memory = _number(asked(f"numa_mem.{node}"), len(_share(range(memory_mib), node, count)))
        cells.append(Cell(tuple(cpus), memory, _cores(cpus, threads)))
    return Topology(tuple(cells), _page_size_kib(asked("mem_page_size")))


def _share(whole: range, node: int, count: int) -> range:
    """One node's even share; the first ones get one more where it does not come out even."""
    size, rest = divmod(len(whole), count)
    start = node * size + min(node, rest)
    return whole[start : start + size + (node < rest)]


def _cores(cpus: list[int], threads: int) -> tuple[tuple[int, ...], ...]:
    if threads == 1:
        return ()
    return tuple(tuple(cpus[n : n + threads]) for n in range(0, len(cpus), threads))


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and re.fullmatch("[0-9]{1,9}", text) else otherwise


def _page_size_kib(text: str | None) -> int | None:
    if text is None or text in _PAGE_SIZES_KIB:
        return _PAGE_SIZES_KIB.get(text or "")
    found = re.fullmatch(r"([0-9]{1,9})(KB|MB|GB)?", text)
    return int(found[1]) * _UNITS_KIB[found[2] or ""] if found else None
