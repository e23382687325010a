"""`muster fuzz`.

Owns: the command's words. May not: decide what is right. Crash story: none.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from deploy.cli import terminal

LIMIT_S = 0.1
"""Processor time that judging one body may take."""
SHOWN = 10


def bodies() -> int:
    """1 when judging some body takes longer than `LIMIT_S`."""
    from deploy.fuzz.hostile import costs
    from deploy.fuzz.run import VERSIONS

    every = [cost for version in VERSIONS for cost in costs(version)]
    worst = sorted(every, key=lambda cost: cost.seconds, reverse=True)[:SHOWN]
    for cost in worst:
        text = f"{cost.seconds * 1000:8.1f} ms  {cost.operation} 2.{cost.version}{cost.place}"
        sys.stdout.write(f"{text}\n")  # brackets in it are no markup
    slow = [cost for cost in every if cost.seconds > LIMIT_S]
    terminal.say(f"{len(every)} bodies, {len(slow)} over {LIMIT_S * 1000:.0f} ms")
    return 1 if slow else 0


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
