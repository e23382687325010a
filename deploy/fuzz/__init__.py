"""Hostile requests against every operation of a cluster of one's own."""
