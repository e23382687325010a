"""Memory of a cluster's processes as they really cost it: proportional set size (Linux).

Owns: reading /proc/PID/smaps_rollup. May not: change anything. Crash story: a process that ends
while it is read counts as nothing.
"""

from __future__ import annotations

from pathlib import Path


def pss_mib(pid: int) -> float:
    """Private pages plus this process's share of shared ones; 0 when it cannot be read."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def tree(pid: int) -> list[int]:
    """`pid` and all its descendants."""
    found = [pid]
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return found


def tree_pss_mib(pid: int) -> float:
    return sum(map(pss_mib, tree(pid)))
