"""The arithmetic of the load reports."""

from __future__ import annotations

import pytest

from deploy.load import figures
from deploy.load.cpu import per_item_ms


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50.0), (95, 95.0), (99, 99.0), (100, 100.0), (0, 1.0)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert figures.percentile([float(n) for n in range(1, 101)], percent) == expected


def test_percentiles_of_few_values_are_the_worst_of_them() -> None:
    assert figures.latencies_ms([0.002, 0.001]) == {"p50": 1.0, "p95": 2.0, "p99": 2.0, "max": 2.0}


def test_nothing_measured_is_said_so() -> None:
    assert figures.latencies_ms([]) is None
    assert figures.line(None) == "-"
    assert figures.counts({}) == "none"


def test_counts_begin_with_the_most_frequent() -> None:
    assert figures.counts({"b": 1, "a": 1, "c": 3}) == "3 x c; 1 x a; 1 x b"


def test_a_rate_needs_time() -> None:
    assert figures.rate(10, 4.0) == 2.5
    assert figures.rate(10, 0.0) == 0.0


def test_cpu_is_shared_out_over_what_was_done_and_new_services_count_whole() -> None:
    spent = per_item_ms({"api": 1.0, "db": 2.0}, {"api": 1.5, "db": 3.0, "new": 0.1}, 100)
    assert list(spent.items()) == [("db", 10.0), ("api", 5.0), ("new", 1.0)]
    assert per_item_ms({}, {"api": 1.0}, 0) == {}
