"""Leftovers of workflows; what a host last reported; when it booted."""

from common.db.migrations.run_sql import run_sibling_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sibling_sql(__file__)
