"""What operators see of the API's work.

Owns: the API's Prometheus metrics. May not: use a label that grows with users, projects or servers.
Crash story: counters start at zero, as Prometheus expects.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "muster_api_requests_total", "Answers of the Compute API", ["operation", "status"]
)
LATENCY = Histogram(
    "muster_api_request_seconds",
    "Time from the whole request to the whole answer",
    ["operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


def observe(operation: str, status: int, seconds: float) -> None:
    REQUESTS.labels(operation, status).inc()
    LATENCY.labels(operation).observe(seconds)
