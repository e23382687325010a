"""Servers are built, moved, evacuated, deleted; hosts and conductors die and are cut off."""
