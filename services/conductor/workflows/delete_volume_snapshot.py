"""Have the server's host delete a snapshot of one of its volumes; see assisted_snapshots.py."""

from __future__ import annotations

from services.conductor.workflows.assisted_snapshots import assisted

DELETE_VOLUME_SNAPSHOT = assisted(
    "delete_volume_snapshot", going="deleting", broken="error_deleting"
)
