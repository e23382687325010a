"""Aggregates, availability zones of hosts, server groups."""

from common.db.migrations.run_sql import run_sibling_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sibling_sql(__file__)
