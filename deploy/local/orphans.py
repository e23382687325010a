"""Ends processes that a killed cluster left behind.

Owns: finding this cluster's processes by the mark in their environment (Linux: /proc).
May not: end anything without the mark. Crash story: repeatable.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from deploy.local.home import Home

MARK = "MUSTER_CLUSTER"
PATIENCE_S = 10.0
_SHARED = frozenset({"epmd"})
"""Erlang's port mapper is started by the first broker of a user and serves all of them."""


def members_of(home: Home) -> list[int]:
    """Process ids that carry this cluster's mark, except our own."""
    mark = f"{MARK}={home.path}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(process.name) == os.getpid():
                continue
            if (process / "comm").read_text().strip() in _SHARED:
                continue
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def end_orphans(home: Home, first: signal.Signals = signal.SIGTERM) -> int:
    """Ask what is left to end, then make it; the number of processes found."""
    count = len(members_of(home))
    for number in (first, signal.SIGKILL):
        for pid in members_of(home):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # a frozen one cannot end
        deadline = time.monotonic() + PATIENCE_S
        while members_of(home) and time.monotonic() < deadline:
            time.sleep(0.05)
    return count
