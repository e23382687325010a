"""Which fault rule fires, how often, until when."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import ValidationError

from common.errors import InvalidInput, NotFound
from common.runtime.ports import Random
from services.compute.faults import Effect, FaultRegistry, FaultRule, Stage
from tests.integration.drivers.support import ManualClock

VERBS = ("spawn", "destroy")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry(clock: ManualClock) -> FaultRegistry:
    return FaultRegistry(clock, Random(3), VERBS)


def test_scope(registry: FaultRegistry) -> None:
    rule = registry.add(FaultRule(effect=Effect.ERROR, host="h", verb="spawn", server="s"))
    assert registry.fire("h", "spawn", "s") == rule
    for other in (("x", "spawn", "s"), ("h", "destroy", "s"), ("h", "spawn", "x")):
        assert registry.fire(*other) is None
    assert registry.fired(rule.id) == 1


def test_count_and_order(registry: FaultRegistry) -> None:
    first = registry.add(FaultRule(effect=Effect.ERROR, count=2))
    second = registry.add(FaultRule(effect=Effect.DELAY))
    fired = [registry.fire("h", "spawn", "s") for _ in range(3)]
    assert fired == [first, first, second]
    assert [status.fired for status in registry.list()] == [2, 1]


def test_until(registry: FaultRegistry, clock: ManualClock) -> None:
    until = clock.utcnow() + dt.timedelta(seconds=5)
    registry.add(FaultRule(effect=Effect.ERROR, until=until))
    assert registry.fire("h", "spawn", None) is not None
    clock.jump(5)
    assert registry.fire("h", "spawn", None) is None


def test_probability_is_kept_and_repeatable(clock: ManualClock) -> None:
    def run() -> list[bool]:
        registry = FaultRegistry(clock, Random(3), VERBS)
        registry.add(FaultRule(effect=Effect.ERROR, probability=0.3))
        return [registry.fire("h", "spawn", None) is not None for _ in range(1000)]

    assert run() == run()
    assert 250 < sum(run()) < 350


def test_reply_faults_fire_on_the_reply_only(registry: FaultRegistry) -> None:
    lost = registry.add(FaultRule(effect=Effect.LOST_REPLY))
    error = registry.add(FaultRule(effect=Effect.ERROR))
    assert registry.fire("h", "spawn", "s") == error
    assert registry.fire("h", "spawn", "s", Stage.REPLY) == lost


def test_clear_and_replace(registry: FaultRegistry) -> None:
    registry.add(FaultRule(id="mine", effect=Effect.ERROR))
    registry.fire("h", "spawn", "s")
    registry.add(FaultRule(id="mine", effect=Effect.DELAY))
    assert [(status.rule.effect, status.fired) for status in registry.list()] == [(Effect.DELAY, 0)]
    registry.clear("mine")
    assert registry.list() == []
    for unknown in (registry.clear, registry.fired):
        with pytest.raises(NotFound):
            unknown("mine")


@pytest.mark.parametrize(
    ("field", "value"),
    [("probability", 0), ("count", 0), ("delay_s", -1), ("hots", "h")],
)
def test_a_rule_that_could_never_fire_is_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        FaultRule.model_validate({"effect": "error", field: value})


def test_a_rule_for_a_verb_that_nobody_asks_at_is_refused(registry: FaultRegistry) -> None:
    with pytest.raises(InvalidInput, match="verb: no such verb 'spwan'; choose one of destroy, sp"):
        registry.add(FaultRule(effect=Effect.ERROR, verb="spwan"))
    assert registry.list() == []
