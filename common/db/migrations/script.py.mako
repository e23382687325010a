"""${message}"""

from common.db.migrations.run_sql import run_sibling_sql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    run_sibling_sql(__file__)
