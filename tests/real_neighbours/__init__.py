"""A Muster cluster among a real Keystone and a real Glance; see docs/real-neighbours.md."""
