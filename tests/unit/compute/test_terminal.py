"""The terminal of a simulated guest: a getty that knows nobody."""

from __future__ import annotations

import pytest

from services.compute.drivers.simulated.consoles.terminal import COLUMNS, ROWS, Terminal

BOOTED = "booting\n\nweb-1 login:"


def terminal(text: str = BOOTED, *, executes: bool = True) -> Terminal:
    return Terminal(text, "web-1", lambda: executes)


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("", "web-1 login: "),
        ("root", "web-1 login: root"),
        ("rx\x7foot", "web-1 login: root"),
        ("nobody\x15root", "web-1 login: root"),
        ("\x7f\x7f", "web-1 login: "),
        ("\r", "web-1 login: \nweb-1 login: "),
        ("\r\n", "web-1 login: \nweb-1 login: "),
        ("\n\n", "web-1 login: \nweb-1 login: \nweb-1 login: "),
        ("root\r", "web-1 login: root\nPassword: "),
        ("root\rsecret\x7f", "web-1 login: root\nPassword: "),
        ("root\rs\r", "web-1 login: root\nPassword: \n\nLogin incorrect\nweb-1 login: "),
        ("ro\x03", "web-1 login: ro^C\nweb-1 login: "),
        ("r\x1bo\xe4", "web-1 login: ro"),
    ],
)
def test_keys(keys: str, shown: str) -> None:
    ours = terminal()
    ours.type(keys)
    assert "\n".join(ours.screen()) == f"booting\n\n{shown}"


def test_a_guest_that_does_not_execute_hears_nothing() -> None:
    ours = terminal(executes=False)
    ours.type("root\r")
    assert ours.line == "web-1 login: "


def test_what_the_guest_says_interrupts_what_is_typed() -> None:
    ours = terminal()
    ours.type("root\rsecr")
    ours.show("reboot: power down")
    assert ours.line == "reboot: power down"
    ours.type("a")
    assert ours.line == "reboot: power downa"


def test_viewers_get_what_a_terminal_would_get() -> None:
    ours = terminal()
    heard: list[str] = []
    with ours.watched(heard.append):
        ours.type("ab\x7f\r")
    ours.type("x")
    assert "".join(heard) == "ab\b \b\nPassword: "


def test_the_screen_shows_the_end_and_wraps_long_lines() -> None:
    ours = terminal("\n".join(f"line {n}" for n in range(300)) + "\n" + "x" * (COLUMNS + 3))
    screen = ours.screen()
    assert len(screen) == ROWS
    assert screen[-3:] == ["line 299", "x" * COLUMNS, "xxx"]
    ours.type("y" * 1000)
    assert len(ours.line) < 500, "there is an end to what can be typed"


def test_the_cursor_has_a_place_behind_a_full_line() -> None:
    assert terminal("x" * COLUMNS).screen() == ["x" * COLUMNS, ""]
