"""The NUMA topology that a flavor asks for."""

from __future__ import annotations

import pytest

from common.domain.numa import Cell, Topology, topology


def made(vcpus: int = 4, memory_mib: int = 100, **specs: str) -> Topology:
    extra_specs = {f"hw:{name.replace('__', '.')}": value for name, value in specs.items()}
    return topology(extra_specs, {}, vcpus=vcpus, memory_mib=memory_mib)


def test_none_is_asked_for() -> None:
    assert made() == Topology()
    assert made(cpu_policy="shared", cpu_threads="2") == Topology()


def test_shares_are_even_or_as_said() -> None:
    two = made(numa_nodes="3", memory_mib=100)
    assert [cell.cpus for cell in two.cells] == [(0, 1), (2,), (3,)]
    assert [cell.memory_mib for cell in two.cells] == [34, 33, 33]
    said = made(numa_nodes="2", numa_cpus__0="0", numa_cpus__1="1-3", numa_mem__0="10",
                numa_mem__1="90")  # fmt: skip
    assert said.cells == (Cell((0,), 10, ()), Cell((1, 2, 3), 90, ()))


def test_dedicated_processors_have_a_node() -> None:
    assert made(cpu_policy="dedicated").cells == (Cell((0, 1, 2, 3), 100, ()),)


@pytest.mark.parametrize(
    ("text", "kib"),
    [("small", 4), ("large", 2048), ("any", None), ("2048", 2048), ("1GB", 1024 * 1024),
     ("2MB", 2048), ("x", None)],
)  # fmt: skip
def test_page_sizes(text: str, kib: int | None) -> None:
    assert made(mem_page_size=text).page_size_kib == kib


@pytest.mark.parametrize("count", ["0", "-1", "x", "9" * 30, "1000000"])
def test_senseless_numbers_make_no_senseless_nodes(count: str) -> None:
    assert 1 <= len(made(numa_nodes=count).cells) <= 4


def test_an_image_may_ask_too() -> None:
    found = topology({}, {"hw_numa_nodes": 2}, vcpus=2, memory_mib=2)
    assert [cell.cpus for cell in found.cells] == [(0,), (1,)]
