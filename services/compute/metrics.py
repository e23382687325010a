"""What a compute agent counts.

Owns: the metrics of this package. May not: have a label with one value per server.
Crash story: counters start at zero in a new process.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge

COMMANDS = Counter("muster_compute_commands_total", "Commands carried out", ["verb", "outcome"])
DUPLICATES = Counter("muster_compute_duplicate_commands_total", "Commands that came again")
STALE = Counter("muster_compute_stale_commands_total", "Commands of a workflow that was overtaken")
VERDICTS = Counter("muster_compute_verdicts_total", "Verdicts on guests", ["verdict"])
GAPS = Counter("muster_compute_gaps_total", "Times a host stood still and held its guests")
HELD = Gauge("muster_compute_held_guests", "Guests that may not execute now", ["host"])
