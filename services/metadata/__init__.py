"""Tells guests about themselves: what they ask for at 169.254.169.254."""
