"""What people see: messages, progress and tables, plain when it is not a terminal.

Owns: the only writing to stdout and stderr of the command line. May not: decide anything.
Crash story: none.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

STATE_COLOURS = {
    "running": "green",
    "up": "green",
    "enabled": "green",
    "ready": "green",
    "frozen": "yellow",
    "starting": "yellow",
    "stopped": "yellow",
    "disabled": "yellow",
    "killed": "red",
    "failed": "red",
    "down": "red",
}


def say(text: str = "") -> None:
    """A line for people, on stdout; rich markup is understood."""
    from rich.console import Console

    Console(highlight=False, soft_wrap=True).print(text)


def warn(text: str) -> None:
    """A line on stderr that must be seen."""
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold yellow]{escape(text)}[/]")


def complain(text: str) -> None:
    """Why it did not work and what to do, in one line on stderr."""
    prefix, reset = ("\033[31m", "\033[0m") if sys.stderr.isatty() else ("", "")
    sys.stderr.write(f"{prefix}muster:{reset} {text}\n")


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns; known states are coloured on a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    view = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        view.add_column(column)
    for row in rows:
        cells = []
        for cell in row:
            text = escape(str(cell))
            colour = STATE_COLOURS.get(str(cell).lower())
            cells.append(f"[{colour}]{text}[/]" if colour else text)
        view.add_row(*cells)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(view)


class Steps:
    """Progress of something that takes a while: a spinner on a terminal, lines elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._status: Any = None
        self._last = ""

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def step(self, what: str) -> None:
        if what == self._last:
            return
        self._last = what
        text = f"{self._title}: {what} ..."
        if self._status is not None:
            self._status.update(text)
        else:
            sys.stderr.write(f"[{self.elapsed_s:4.1f} s] {text}\n")


@contextmanager
def steps(title: str) -> Iterator[Steps]:
    """`with steps("starting") as progress: progress.step("database")`."""
    progress = Steps(title)
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(title) as status:
            progress._status = status  # noqa: SLF001 - same module, same thing
            yield progress
    else:
        yield progress
