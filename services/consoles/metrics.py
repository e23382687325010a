"""What a console proxy counts.

Owns: the metrics of this package. May not: have a label with one value per server.
Crash story: counters start at zero in a new process.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge

OPEN = Gauge("muster_consoles_open", "Consoles that are carried now")
REFUSED = Counter("muster_consoles_refused_total", "Consoles that were refused", ["reason"])
BYTES = Counter("muster_consoles_bytes_total", "Bytes carried, in: to guests", ["way"])
