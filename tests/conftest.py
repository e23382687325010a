"""Fixtures every test may use; each lives with what it starts in tests/support."""

pytest_plugins = ["tests.support.postgres", "tests.support.rabbitmq"]
