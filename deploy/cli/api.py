"""`muster api`: what the Compute API declares about itself.

Owns: printing what the declarations say. May not: decide anything. Crash story: none.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from deploy.cli import terminal
from deploy.local.home import ROOT

COVERAGE = "docs/api-coverage.md"

app = App(name="api", help="What the Compute API offers, by its own declarations.")


@app.command
def history() -> int:
    """Every microversion and what it changed."""
    from services.api import versions

    rows = [
        (versions.show(change), name, change.summary) for name, change in versions.history().items()
    ]
    terminal.table(("since", "name", "what changed"), rows)
    return 0


@app.command
def coverage(
    *,
    write: Annotated[
        bool, Parameter(help="Write docs/api-coverage.md instead of printing.", negative="")
    ] = False,
) -> int:
    """Every operation with the microversions that have it."""
    from services.api.coverage import covered, document
    from services.api.handlers import all_operations

    operations = all_operations()
    if write:
        (ROOT / COVERAGE).write_text(document(operations))
        terminal.say(f"{COVERAGE} written")
        return 0
    rows = [(each.operation, each.microversions, each.state) for each in covered(operations)]
    terminal.table(("operation", "microversions", ""), rows)
    return 0
