"""What a guest is given: files, passwords, vendor data."""

from common.db.migrations.run_sql import run_sibling_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_sibling_sql(__file__)
