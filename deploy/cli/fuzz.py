"""`muster fuzz`.

Owns: the command's words. May not: decide what is right. Crash story: none.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from deploy.cli import terminal


def fuzz(requests: int, seed: int | None, report: Path | None) -> int:
    """1 when an answer was a 500 or one that the documents do not name."""
    from deploy.fuzz.run import fuzz as run

    outcomes = asyncio.run(run(requests, seed))
    for outcome in outcomes:
        verdict = "FAILED" if outcome.failed else "ok"
        terminal.say(f"{outcome.version:>6}  {outcome.requests:>7} requests  {verdict}")
    terminal.say(f" total  {sum(outcome.requests for outcome in outcomes):>7} requests")
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        for outcome in outcomes:
            (report / f"{outcome.version}.txt").write_text(outcome.report)
    failed = [outcome for outcome in outcomes if outcome.failed]
    for outcome in failed:
        sys.stdout.write(outcome.report)
    return 1 if failed else 0
