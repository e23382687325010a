"""Ports to the outside of a process: time, identity, randomness, tasks, life cycle."""
