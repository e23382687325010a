"""Tokens of consoles."""

from common.db.migrations.run_sql import run_sibling_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_sibling_sql(__file__)
