"""Have the server's host make a snapshot of one of its volumes; see assisted_snapshots.py."""

from __future__ import annotations

from services.conductor.workflows.assisted_snapshots import assisted

SNAPSHOT_VOLUME = assisted("snapshot_volume", going="creating", broken="error")
