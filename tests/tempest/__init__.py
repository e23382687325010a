"""Tempest, OpenStack's own API tests, against a local cluster; see docs/tempest.md."""
