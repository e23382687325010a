"""`muster db`: the options of its commands. Owns: what may be asked for.

May not: touch the database; deploy/cli/database.py does. Crash story: see there.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from deploy.local.home import UsageError

app = App(name="db", help="The database's schema and age (MUSTER_DATABASE__URL names it).")


@app.command
def upgrade() -> int:
    """Bring the database to this release's schema. Safe to repeat, safe while services run."""
    from deploy.cli.database import upgrade as run

    return run()


@app.command
def current() -> int:
    """Show the schema version of the database and the one this release needs."""
    from deploy.cli.database import current as run

    return run()


@app.command
def archive(
    *,
    older_than: Annotated[
        float | None,
        Parameter(help="Days since the deletion (default: database.archive_after_days)."),
    ] = None,
    batch: Annotated[int, Parameter(help="Servers moved by one statement.")] = 200,
    most: Annotated[int | None, Parameter(help="Stop after so many servers.")] = None,
    max_seconds: Annotated[float | None, Parameter(help="Stop after so many seconds.")] = None,
    delete: Annotated[
        bool, Parameter(help="Keep nothing: the rows are not archived but gone.", negative="")
    ] = False,
    to_tables: Annotated[
        bool, Parameter(help="Move them to the tables archived_* (the default).", negative="")
    ] = False,
    as_json: Annotated[bool, Parameter(name="--json", help="For scripts.", negative="")] = False,
) -> int:
    """Move deleted servers with their actions and migrations out of the way.

    Safe while services run; Ctrl-C stops it after the batch it is at, and the next run goes on from
    there. Lists with changes-since show deleted servers only as far as they are not archived.
    """
    if delete and to_tables:
        raise UsageError("--delete and --to-tables exclude each other")
    if older_than is not None and not 0 <= older_than <= 36_500:
        raise UsageError("--older-than takes 0 to 36500 days")
    if not 1 <= batch <= 5_000:
        raise UsageError("--batch takes 1 to 5000 servers")
    if most is not None and most < 1:
        raise UsageError("--most must be at least 1")
    if max_seconds is not None and not max_seconds > 0:
        raise UsageError("--max-seconds must be more than 0")
    from deploy.cli.database import archive as run

    return run(
        older_than_days=older_than,
        batch=batch,
        most=most,
        max_seconds=max_seconds,
        keep=not delete,
        as_json=as_json,
    )


@app.command
def leftovers(
    *,
    as_json: Annotated[bool, Parameter(name="--json", help="For scripts.", negative="")] = False,
) -> int:
    """List what workflows could not clean up yet, with the reason. 0 if there is nothing.

    Conductors try again by themselves, ever more rarely, at most an hour apart.
    """
    from deploy.cli.database import leftovers as run

    return run(as_json=as_json)
