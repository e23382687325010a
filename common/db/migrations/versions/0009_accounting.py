"""Usage, quotas of users and projects."""

from common.db.migrations.run_sql import run_sibling_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_sibling_sql(__file__)
