"""The table of transitional states is the documentation, and covers what workflows write."""

from __future__ import annotations

import re
from pathlib import Path

from common.domain.states import TaskState
from common.domain.transitions import TRANSITIONS, render
from services.conductor import workflows

ROOT = Path(__file__).parents[2]


def test_docs_show_the_table() -> None:
    assert (ROOT / "docs/states.md").read_text() == render(), (
        "run `python -m common.domain.transitions > docs/states.md`"
    )


def test_every_workflow_has_a_row_and_every_row_a_workflow() -> None:
    assert {t.workflow for t in TRANSITIONS} == set(workflows.DEFINITIONS)


def test_workflows_write_only_task_states_of_their_row() -> None:
    folder = Path(workflows.__file__).parent
    for kind in workflows.DEFINITIONS:
        written = set(re.findall(r"TaskState\.(\w+)", (folder / f"{kind}.py").read_text()))
        allowed = {task.name for t in TRANSITIONS if t.workflow == kind for task in t.tasks}
        assert written <= allowed, f"{kind} writes {written - allowed} without a row"
    assert {task for t in TRANSITIONS for task in t.tasks} <= set(TaskState)
