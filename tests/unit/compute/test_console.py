"""Console text: nobody can write lines into it by a name."""

from __future__ import annotations

from common.domain.states import PowerState
from services.compute.drivers.base import Phase
from services.compute.drivers.simulated.console import _LINES, render
from services.compute.drivers.simulated.store import Guest
from services.compute.drivers.simulated.verbs import LATENCY, POWER_CHANGES
from tests.integration.drivers.support import make_spec


def make_guest(*kinds: str, name: str = "web-1") -> Guest:
    spec = make_spec().model_copy(update={"name": name})
    history = tuple((1_800_000_000.0 + n, kind) for n, kind in enumerate(kinds))
    return Guest(spec, Phase.READY, PowerState.RUNNING, 0.0, None, history)


def test_a_boot_is_at_least_ten_lines_and_names_the_guest() -> None:
    text = render(make_guest("boot"), None)
    assert len(text.splitlines()) >= 10
    assert "web-1" in text
    assert "10.0.0.7" in text
    assert text.endswith("login:")


def test_every_kind_of_history_can_be_shown() -> None:
    kinds = {change.console for change in POWER_CHANGES.values()} | {"left", "migrated"}
    assert kinds <= set(_LINES)
    for kind in kinds:
        assert render(make_guest(kind), None)


def test_a_name_adds_no_lines_and_formats_nothing() -> None:
    plain = render(make_guest("boot"), None)
    odd = render(make_guest("boot", name="x\n\x1b[2J{uuid}"), None)
    assert len(odd.splitlines()) == len(plain.splitlines())
    assert "\x1b" not in odd
    assert "{uuid}" in odd


def test_length() -> None:
    guest = make_guest("boot", "shutdown")
    every = render(guest, None).splitlines()
    assert render(guest, 3).split("\n") == every[-3:]
    assert render(guest, 0) == ""
    assert render(guest, -1).splitlines() == every


def test_every_power_change_has_a_latency() -> None:
    by_themselves = {"shutdown", "crash"}
    verbs = {name.split("_soft")[0].split("_hard")[0] for name in POWER_CHANGES}
    assert verbs - by_themselves <= set(LATENCY)
