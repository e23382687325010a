"""Processor time of each part of a local cluster (Linux).

Owns: reading /proc. Beside boots a second this is the figure that does not change with what else
the machine is doing. May not: change anything. Crash story: a process that ends counts as nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from deploy.local import control
from deploy.local.home import Home
from deploy.local.memory import tree

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
GENERATOR = "load generator"


def process_cpu_s(pid: int) -> float:
    """User and system seconds of `pid` so far, with those of its children that have ended."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, after_name[11:15])) / _TICKS_PER_S


def cluster_cpu_s(home: Home) -> dict[str, float]:
    """Seconds so far by service, and of the calling process; empty where that cannot be known."""
    cluster = control.read_cluster(home)
    if cluster is None:
        return {}
    if cluster["mode"] == "processes":
        members = control.connect(home).members()
        pids = {member["name"]: member["pid"] for member in members if member["pid"]}
    else:
        pids = {"cluster": cluster["pid"]}
    found = {name: sum(map(process_cpu_s, tree(pid))) for name, pid in pids.items()}
    return {**found, GENERATOR: process_cpu_s(os.getpid())}


def per_item_ms(before: dict[str, float], after: dict[str, float], count: int) -> dict[str, float]:
    """Milliseconds of each service for each of `count` items, most expensive first."""
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    ordered = sorted(spent.items(), key=lambda item: -item[1])
    return {name: round(seconds * 1000 / count, 2) for name, seconds in ordered if count}
