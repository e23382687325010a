"""What the status of a migration means.

Owns: named sets of statuses. May not: do I/O. Crash story: none, this is a table.
"""

from __future__ import annotations

OVER = frozenset({"confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"})
"""Nothing happens any more."""
UNDER_WAY = frozenset({"queued", "preparing", "running", "post-migrating"})
"""A live migration that can be looked at."""
RUNNING = frozenset({"running"})
"""Memory is being copied: it can be forced to an end."""
NOT_YET_RUNNING = frozenset({"queued", "preparing"})
"""It can be aborted from 2.65 on."""
