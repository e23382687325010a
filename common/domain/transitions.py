"""Every transitional state: who owns it, how long it may last, what happens when it does not end.

Owns: the one table of what may happen to a server; `docs/states.md` is rendered from it
(`python -m common.domain.transitions > docs/states.md`, checked by a test).
May not: be wider than the workflows: a test fails when a workflow writes a task_state that has no
row here. Crash story: none, this is a table.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.domain.states import TaskState as T
from common.domain.states import VmState as V

ANY = "any"


@dataclass(frozen=True)
class Transition:
    """One workflow's walk through the states."""

    workflow: str
    starts: tuple[V | str, ...]
    """vm_states it may start in; ANY for all."""
    tasks: tuple[T, ...]
    """task_states in order; the first is stored before the request is answered."""
    ends: V
    """vm_state on success."""
    on_failure: str
    """What the server is afterwards, in words for the reader and the operator."""
    deadline: str
    """What bounds it."""


_WORKFLOW = "conductor.workflow_deadline_s"

TRANSITIONS: tuple[Transition, ...] = (
    Transition(
        "build",
        (V.BUILDING,),
        (T.SCHEDULING, T.NETWORKING, T.SPAWNING),
        V.ACTIVE,
        "error with a fault; ports, guest and claim given back",
        f"step deadlines, {_WORKFLOW}",
    ),
    Transition(
        "delete",
        (ANY,),
        (T.DELETING,),
        V.DELETED,
        "error with a fault; another delete may be asked for",
        f"step deadlines, {_WORKFLOW}",
    ),
    Transition(
        "start",
        (V.STOPPED,),
        (T.POWERING_ON,),
        V.ACTIVE,
        "stopped; the action says why",
        "60 s, or the host going down",
    ),
    Transition(
        "stop",
        (V.ACTIVE, V.ERROR),
        (T.POWERING_OFF,),
        V.STOPPED,
        "the vm_state it was in; the action says why",
        "60 s, or the host going down",
    ),
    Transition(
        "reboot",
        (V.ACTIVE,),
        (T.REBOOTING,),
        V.ACTIVE,
        "active; the action says why",
        "120 s, or the host going down",
    ),
    Transition(
        "reboot",
        (V.ACTIVE, V.STOPPED, V.PAUSED, V.SUSPENDED, V.ERROR),
        (T.REBOOTING_HARD,),
        V.ACTIVE,
        "the vm_state it was in; the action says why",
        "120 s, or the host going down",
    ),
    Transition(
        "evacuate",
        (V.ACTIVE, V.ERROR),
        (T.REBUILDING, T.REBUILD_BLOCK_DEVICE_MAPPING, T.REBUILD_SPAWNING),
        V.ACTIVE,
        "error with a fault; the guest left behind is still the server's",
        f"step deadlines, {_WORKFLOW}",
    ),
    Transition(
        "evacuate",
        (V.STOPPED,),
        (T.REBUILDING, T.REBUILD_BLOCK_DEVICE_MAPPING, T.REBUILD_SPAWNING),
        V.STOPPED,
        "error with a fault; the guest left behind is still the server's",
        f"step deadlines, {_WORKFLOW}",
    ),
)


def render() -> str:
    """docs/states.md: the table and the diagram."""
    lines = [
        "# Server states",
        "",
        "Rendered from `common/domain/transitions.py` by `python -m common.domain.transitions`;",
        "a test fails when this page and the table differ.",
        "",
        "While a task_state is set exactly one workflow row owns the server. A conductor that dies",
        "loses its lease and another resumes the row; a host that never answers runs into the",
        "deadline. Then the server is what the last column says, and the action and the fault",
        "say why.",
        "",
        "| workflow (owner) | from | task_states | to | bounded by | on expiry or failure |",
        "|---|---|---|---|---|---|",
    ]
    for t in TRANSITIONS:
        starts = ", ".join(str(s) for s in t.starts)
        tasks = " → ".join(str(task) for task in t.tasks)
        lines.append(
            f"| {t.workflow} | {starts} | {tasks} | {t.ends} | {t.deadline} | {t.on_failure} |"
        )
    edges: list[str] = []
    for t in TRANSITIONS:
        for start in t.starts:
            source = "any" if start == ANY else _node(start)
            target = _node(t.ends)
            edges.append(f"    {source} --> {target}: {t.workflow}")
            if t.on_failure.startswith("error") and source != "error":
                edges.append(f"    {source} --> error: {t.workflow} failed")
    lines += ["", "```mermaid", "stateDiagram-v2", *dict.fromkeys(edges), "```", ""]
    return "\n".join(lines)


def _node(state: V | str) -> str:
    return str(state).replace("-", "_")


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201 - this is the renderer's command line
