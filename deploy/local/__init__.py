"""Clusters without containers: one process (embedded) or one process per service (processes)."""
