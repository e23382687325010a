"""PostgreSQL, the truth: pool, migrations, named queries, typed store functions."""
