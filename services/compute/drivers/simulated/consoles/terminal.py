"""The terminal of a simulated guest: text, and somebody who asks for a login.

Owns: the lines on the screen, what is being typed, the dialogue of a getty that knows no user.
May not: know how anybody looks at it; `rfb.py` and `serial.py` do.
Crash story: what was typed is forgotten; the text before it comes back from the guest's history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COLUMNS, ROWS = 80, 25
KEPT_LINES = 200
LONGEST_TYPED = 256

ENTER, ERASE, KILL, INTERRUPT = "\r\n", "\b\x7f", "\x15", "\x03"
RUB_OUT = "\b \b"

Viewer = Callable[[str], None]
"""Is told what is written, as a terminal would get it: "\\n" for a new line, "\\b" to go back."""


class Terminal:
    """`executes` says whether the guest is there to hear a key."""

    def __init__(self, text: str, hostname: str, executes: Callable[[], bool]) -> None:
        self._lines: deque[str] = deque([""], maxlen=KEPT_LINES)
        self._prompt = f"{hostname} login: "
        self._executes = executes
        self._viewers: set[Viewer] = set()
        self._typed = ""
        self._asks_password = False
        self._after_return = False
        self.show(text)

    @property
    def line(self) -> str:
        """The one that the cursor is on."""
        return self._lines[-1]

    def screen(self) -> list[str]:
        """What `ROWS` rows of `COLUMNS` show, long lines wrapped; the cursor is behind the last."""
        rows: list[str] = []
        for line in list(self._lines)[-ROWS:]:
            rows += [line[at : at + COLUMNS] for at in range(0, len(line), COLUMNS)] or [""]
        if len(rows[-1]) == COLUMNS:
            rows.append("")
        return rows[-ROWS:]

    @contextmanager
    def watched(self, viewer: Viewer) -> Iterator[None]:
        """Tell `viewer` what is written from now on."""
        self._viewers.add(viewer)
        try:
            yield
        finally:
            self._viewers.discard(viewer)

    def show(self, text: str) -> None:
        """The guest writes: what somebody was typing is gone."""
        self._typed, self._asks_password = "", False
        if self.line:
            self._write("\n")
        self._write(text)
        if text.endswith("login:"):
            self._write(" ")

    def type(self, keys: str) -> None:
        """Somebody presses keys. A guest that does not execute does not notice."""
        for key in keys:
            if not self._executes():
                return
            self._press(key)

    def _press(self, key: str) -> None:
        if key in ENTER:
            if not (key == "\n" and self._after_return):
                self._enter()
            self._after_return = key == "\r"
            return
        self._after_return = False
        if key in ERASE:
            self._erase(1)
        elif key == KILL:
            self._erase(len(self._typed))
        elif key == INTERRUPT:
            self._asks_password, self._typed = False, ""
            self._write(f"^C\n{self._prompt}")
        elif key.isascii() and key.isprintable() and len(self._typed) < LONGEST_TYPED:
            self._typed += key
            if not self._asks_password:
                self._write(key)

    def _enter(self) -> None:
        typed, self._typed = self._typed, ""
        if self._asks_password:
            self._asks_password = False
            self._write(f"\n\nLogin incorrect\n{self._prompt}")
        elif typed:
            self._asks_password = True
            self._write("\nPassword: ")
        else:
            self._write(f"\n{self._prompt}")

    def _erase(self, count: int) -> None:
        count = min(count, len(self._typed))
        self._typed = self._typed[: len(self._typed) - count]
        if not self._asks_password:
            self._write(RUB_OUT * count)

    def _write(self, text: str) -> None:
        for number, part in enumerate(text.split("\n")):
            if number:
                self._lines.append("")
            shown = part.replace(RUB_OUT, "\b")
            kept = shown.lstrip("\b")
            back = len(shown) - len(kept)
            line = self._lines[-1]
            self._lines[-1] = line[: len(line) - back] + kept
        for viewer in list(self._viewers):
            viewer(text)
