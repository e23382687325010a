"""The table of verbs fits the driver."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from common.errors import Unsupported
from services.compute import uploads
from services.compute.app import DRIVERS
from services.compute.consoles import Consoles
from services.compute.drivers.base import Capabilities
from services.compute.drivers.simulated import SimulatedDriver
from services.compute.drivers.simulated.verbs import LATENCY
from services.compute.provisioning import Provisioning
from services.compute.reports import Reports
from services.compute.secrets import Secrets
from services.compute.uploads import Uploads
from services.compute.verbs import VERBS, Target, find

_ACTORS = {
    "driver": SimulatedDriver,
    "uploads": Uploads,
    "reports": Reports,
    "secrets": Secrets,
    "consoles": Consoles,
    "provisioning": Provisioning,
}

_GIVEN = {
    Target.GUEST: {"uuid", "generation"},
    Target.SPEC: {"spec"},
    Target.SERVER: {"uuid"},
}


@pytest.mark.parametrize("name", [name for name in VERBS if VERBS[name].target in _GIVEN])
def test_arguments_are_those_of_the_method(name: str) -> None:
    verb = VERBS[name]
    parameters = inspect.signature(getattr(_ACTORS[verb.actor], name)).parameters
    own = {p for p in parameters if p not in _GIVEN[verb.target] | {"self"}}
    assert own == verb.required | verb.optional
    without_default = {p for p in own if parameters[p].default is inspect.Parameter.empty}
    assert without_default == verb.required


def test_needs_are_capabilities() -> None:
    known = {field.name for field in dataclasses.fields(Capabilities)}
    assert {verb.needs for verb in VERBS.values() if verb.needs} <= known


def test_every_verb_of_the_driver_can_be_asked_for() -> None:
    assert LATENCY.keys() - VERBS.keys() == {"snapshot"}  # the bytes behind upload_snapshot


def test_fault_rules_can_be_made_for_every_verb_that_acts() -> None:
    faulty = DRIVERS["simulated"].faulty | {uploads.VERB}
    assert {n for n, v in VERBS.items() if not v.aside and v.target in _GIVEN} <= faulty


def test_only_listed_names_reach_the_driver() -> None:
    for name in ("start", "crash", "list_guests", "_run", ""):
        with pytest.raises(Unsupported):
            find(name)
