"""Fixtures every test may use; each lives with what it starts in tests/support."""

import structlog

pytest_plugins = ["tests.support.postgres", "tests.support.rabbitmq"]

# As services write to a terminal: the pretty tracebacks of the default take seconds each, in which
# every service of a test's process stands still.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)
