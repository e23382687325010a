"""Percentiles and counts of a run. Owns: the arithmetic and how it is printed. May not: measure.

Crash story: none; pure functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

PERCENTILES = (50, 95, 99)


def percentile(ordered: list[float], percent: float) -> float:
    """Nearest rank: a value that was measured, not one between two."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def latencies_ms(seconds: Iterable[float]) -> dict[str, float] | None:
    """p50, p95, p99 and max in milliseconds; None for no values."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    shown = {f"p{p}": round(percentile(ordered, p) * 1000, 1) for p in PERCENTILES}
    return {**shown, "max": round(ordered[-1] * 1000, 1)}


def rate(count: int, elapsed_s: float) -> float:
    """Per second; 0 when nothing was timed."""
    return round(count / elapsed_s, 1) if elapsed_s > 0 else 0.0


def line(latencies: Mapping[str, float] | None) -> str:
    """`p50 12.3 ms  p95 ...`"""
    if latencies is None:
        return "-"
    return "  ".join(f"{name} {value:.1f} ms" for name, value in latencies.items())


def counts(found: Mapping[str, int]) -> str:
    """`3 x reason; 1 x other`, most frequent first."""
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{count} x {reason}" for reason, count in ordered) or "none"


def as_json(value: Any) -> Any:
    """What `--json` prints: counters as plain dictionaries."""
    return {k: dict(v) if isinstance(v, Mapping) else v for k, v in value.items()}
