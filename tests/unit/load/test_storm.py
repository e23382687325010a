"""A storm's plan, whom it strikes, and what its verdict counts."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from deploy.chaos.invariants import check
from deploy.chaos.storm.faults import victim_of
from deploy.chaos.storm.plan import OPERATIONS, TARGETS, Fault, Part, make_plan
from deploy.chaos.storm.run import line, steps_of_workflows
from deploy.chaos.storm.tally import QUESTIONS, Tally, answers, total
from tests.unit.load.test_invariants import BREAKS, sound

STEPS = steps_of_workflows()


def test_a_seed_is_a_plan() -> None:
    assert make_plan(7, STEPS) == make_plan(7, STEPS)
    assert make_plan(7, STEPS) != make_plan(8, STEPS)


def test_twenty_seeds_strike_everything_there_is() -> None:
    plans = [make_plan(seed, STEPS) for seed in range(1, 21)]
    faults = [fault for plan in plans for fault in plan.faults]
    assert {fault.kind for fault in faults} == set(TARGETS)
    assert {(f.part, f.way) for f in faults} == {
        (part, way) for part in ("source", "destination", "conductor") for way in ("kill", "cut")
    }
    assert {fault.services for fault in faults} == {(), ("bus",), ("database",)}
    assert all(0 <= fault.step < STEPS[fault.kind] for fault in faults)
    asked = {o.kind for plan in plans for life in plan.lives for o in life.operations}
    assert asked == set(OPERATIONS)
    births = {(life.root, life.grouped) for plan in plans for life in plan.lives}
    assert births == {(root, apart) for root in ("image", "volume") for apart in (False, True)}
    assert {plan.evacuation.way for plan in plans} == {"kill", "cut"}


def test_every_workflow_that_is_struck_exists() -> None:
    assert set(TARGETS) <= set(STEPS)


def workflow(**columns: Any) -> dict[str, Any]:
    base = {"kind": "resize", "step": 2, "host": "compute-1", "lease_owner": "conductor-2:life"}
    return {**base, "claims": ["compute-1", "compute-3"], **columns}


@pytest.mark.parametrize(
    ("part", "columns", "victim"),
    [
        ("source", {}, "compute-1"),
        ("destination", {}, "compute-3"),
        ("conductor", {}, "conductor-2"),
        ("conductor", {"lease_owner": None}, "conductor-1"),
        ("destination", {"host": None, "claims": ["compute-4"]}, "compute-4"),
        ("source", {"host": None}, None),
        ("destination", {"claims": ["compute-1"]}, None),
        ("source", {"step": 1}, None),
        ("source", {"step": 3}, None),
        ("source", {"kind": "migrate"}, None),
    ],
)
def test_the_part_of_a_workflow_that_a_fault_strikes(
    part: Part, columns: dict[str, Any], victim: str | None
) -> None:
    fault = Fault("resize", 2, part, "kill", delay_s=0.0, lasts_s=1.0)
    assert victim_of(fault, workflow(**columns)) == victim


EXPECTED = {
    "ran twice": "twice",
    "made twice": "twice",
    "lost": "lost",
    "claim missing": "lost",
    "attachment missing": "lost",
    "attachment wrong": "lost",
    "volume lost": "lost",
    "guest differs": "lost",
    "not shown": "lost",
    "not there": "lost",
    "stuck": "stuck",
    "unexplained": "other",
    "crowded": "other",
}
"""Whatever else can be broken is a leak."""


@pytest.mark.parametrize("name", BREAKS)
def test_each_broken_invariant_has_its_question(name: str) -> None:
    facts = copy.deepcopy(sound())
    break_it, expected = BREAKS[name]
    break_it(facts)
    counts = dict.fromkeys(QUESTIONS, 0)
    for kind in expected:
        counts[EXPECTED.get(kind, "leaked")] += 1
    assert answers(check(facts)) == counts


def test_what_has_no_question_is_counted_all_the_same() -> None:
    assert answers(["broken: the sky"])["other"] == 1


def test_totals_are_sums() -> None:
    def seed(wrong: list[str]) -> dict[str, Any]:
        tally = Tally(missed=1, wrong=wrong)
        tally.asked.update(build=3, migrate=1)
        tally.done.update(build=2)
        tally.faults.update({"kill compute": 2})
        return {"seed": 1, **tally.as_json()}

    seeds = [seed([]), seed(["lost: a", "ran twice: b", "ran twice: c"])]
    sums = total(seeds)
    assert sums["operations"] == {"build": [4, 6], "migrate": [0, 2]}
    assert sums["faults"] == {"kill compute": 4}
    assert [sums[name] for name in ("missed", *QUESTIONS)] == [2, 0, 1, 2, 0, 0]
    assert "2 of 4 operations, 2 faults (1 missed):  stuck 0  lost 1  twice 2" in line(seeds[1])
