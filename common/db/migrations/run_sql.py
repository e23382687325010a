"""Run the .sql file beside a revision.

Timeouts are set so that a migration can never hold up a running cluster for long: it waits at
most four seconds for a lock and gives up after thirty for the whole statement.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy.util import await_only


def run_sibling_sql(revision_file: str) -> None:
    """Execute e.g. 0001_initial.sql for 0001_initial.py, all statements of it."""
    sql = Path(revision_file).with_suffix(".sql").read_text()
    connection = op.get_bind().connection.driver_connection
    assert connection is not None, "migrations run on a live connection"
    for statement in ("set local lock_timeout = '4s'", "set local statement_timeout = '30s'", sql):
        await_only(connection.execute(statement))
