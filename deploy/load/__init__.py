"""Measuring a running cluster: boots a second, latencies, seconds to the first server, memory."""
