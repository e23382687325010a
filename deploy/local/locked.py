"""Whether a cluster runs in a home, and what is written down of it.

Owns: asking the kernel for the lock, and reading cluster.json. May not: talk to a cluster.
Crash story: a lock goes with its process, whatever files are left behind.
"""

from __future__ import annotations

import json
import os
from typing import Any

from deploy.local.home import Home


def read_cluster(home: Home) -> dict[str, Any] | None:
    """cluster.json of the cluster that runs now; None when none does."""
    if not is_locked(home):
        return None
    try:
        description: dict[str, Any] = json.loads(home.cluster_file.read_text())
    except (OSError, ValueError):
        return None
    return description


def is_locked(home: Home) -> bool:
    """Whether a cluster lives in `home`: the kernel knows, whatever files were left behind."""
    import fcntl

    try:
        lock = os.open(home.lock_file, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
