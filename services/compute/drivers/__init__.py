"""Drivers: what turns commands about guests into guests on this host."""
