"""What servers keep of their addresses."""

from common.db.migrations.run_sql import run_sibling_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_sibling_sql(__file__)
