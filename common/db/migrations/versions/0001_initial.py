"""The first schema."""

from common.db.migrations.run_sql import run_sibling_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sibling_sql(__file__)
