"""The workflow engine: leases, steps, retries, unwinding, recovery."""
