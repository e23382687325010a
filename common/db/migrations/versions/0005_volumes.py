"""Volumes of servers: the block device mappings."""

from common.db.migrations.run_sql import run_sibling_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sibling_sql(__file__)
