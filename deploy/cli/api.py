"""`muster api`: what the Compute API declares about itself.

Owns: printing what the declarations say. May not: decide anything. Crash story: none.
"""

from __future__ import annotations

from cyclopts import App

from deploy.cli import terminal

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
