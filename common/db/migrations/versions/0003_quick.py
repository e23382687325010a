"""Indexes for periodic queries, updates that stay HOT, tables for the archive."""

from common.db.migrations.run_sql import run_sibling_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_sibling_sql(__file__)
