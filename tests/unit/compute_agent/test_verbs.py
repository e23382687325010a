"""The table of verbs fits the driver."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from common.errors import Unsupported
from services.compute.drivers.base import Capabilities
from services.compute.drivers.simulated import SimulatedDriver
from services.compute.drivers.simulated.verbs import LATENCY
from services.compute.verbs import VERBS, Target, find

_GIVEN = {
    Target.GUEST: {"uuid", "generation"},
    Target.SPEC: {"spec"},
    Target.SERVER: {"uuid"},
}


@pytest.mark.parametrize("name", [name for name in VERBS if VERBS[name].target in _GIVEN])
def test_arguments_are_those_of_the_driver(name: str) -> None:
    verb = VERBS[name]
    parameters = inspect.signature(getattr(SimulatedDriver, name)).parameters
    own = {p for p in parameters if p not in _GIVEN[verb.target] | {"self"}}
    assert own == verb.required | verb.optional
    without_default = {p for p in own if parameters[p].default is inspect.Parameter.empty}
    assert without_default == verb.required


def test_needs_are_capabilities() -> None:
    known = {field.name for field in dataclasses.fields(Capabilities)}
    assert {verb.needs for verb in VERBS.values() if verb.needs} <= known


def test_every_verb_of_the_driver_can_be_asked_for() -> None:
    assert LATENCY.keys() - VERBS.keys() == {"snapshot"}


def test_only_listed_names_reach_the_driver() -> None:
    for name in ("start", "crash", "list_guests", "_run", ""):
        with pytest.raises(Unsupported):
            find(name)
