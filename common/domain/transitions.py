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
    ends: V | str
    """vm_state on success; ANY: the one it was in."""
    on_failure: str
    """What the server is afterwards, in words for the reader and the operator."""
    deadline: str
    """What bounds it."""


STEPS = "step deadlines, conductor.workflow_deadline_s"
MINUTE = "60 s, or the host going down"
TWO_MINUTES = "120 s, or the host going down"
AS_BEFORE = "the vm_state it was in; the action says why"
ERROR = "error with a fault"
FORWARD = "as if it had gone well; what could not be cleaned up is left to the reconciler"
RESIZING = (T.RESIZE_PREP, T.RESIZE_MIGRATING, T.RESIZE_MIGRATED, T.RESIZE_FINISH)

VOLUMES_CHANGE = (V.ACTIVE, V.PAUSED, V.STOPPED, V.RESIZED, V.SOFT_DELETED, V.SHELVED,
                  V.SHELVED_OFFLOADED)  # fmt: skip

TRANSITIONS: tuple[Transition, ...] = (
    Transition("build", (V.BUILDING,),
               (T.SCHEDULING, T.NETWORKING, T.BLOCK_DEVICE_MAPPING, T.SPAWNING), V.ACTIVE,
               "error with a fault; ports, volumes, guest and claim given back", STEPS),
    Transition("delete", (ANY,), (T.DELETING,), V.DELETED,
               "error with a fault when the host cannot; another delete may be asked for", STEPS),
    Transition("soft_delete", (ANY,), (T.SOFT_DELETING,), V.SOFT_DELETED, AS_BEFORE, MINUTE),
    Transition("restore", (V.SOFT_DELETED,), (T.RESTORING,), V.ACTIVE, ERROR, MINUTE),
    Transition("start", (V.STOPPED,), (T.POWERING_ON,), V.ACTIVE, AS_BEFORE, MINUTE),
    Transition("stop", (V.ACTIVE, V.ERROR), (T.POWERING_OFF,), V.STOPPED, AS_BEFORE, MINUTE),
    Transition("reboot", (V.ACTIVE,), (T.REBOOTING,), V.ACTIVE, AS_BEFORE, TWO_MINUTES),
    Transition("reboot", (V.ACTIVE, V.STOPPED, V.PAUSED, V.SUSPENDED, V.ERROR),
               (T.REBOOTING_HARD,), V.ACTIVE, AS_BEFORE, TWO_MINUTES),
    Transition("pause", (V.ACTIVE,), (T.PAUSING,), V.PAUSED, AS_BEFORE, MINUTE),
    Transition("unpause", (V.PAUSED,), (T.UNPAUSING,), V.ACTIVE, AS_BEFORE, MINUTE),
    Transition("suspend", (V.ACTIVE,), (T.SUSPENDING,), V.SUSPENDED, AS_BEFORE, MINUTE),
    Transition("resume", (V.SUSPENDED,), (T.RESUMING,), V.ACTIVE, ERROR, MINUTE),
    Transition("rebuild", (V.ACTIVE, V.ERROR), (T.REBUILDING, T.REBUILD_SPAWNING), V.ACTIVE,
               "error with a fault; whichever guest the host has now is the server's", STEPS),
    Transition("rebuild", (V.STOPPED,), (T.REBUILDING, T.REBUILD_SPAWNING), V.STOPPED,
               "error with a fault; whichever guest the host has now is the server's", STEPS),
    Transition("rescue", (V.ACTIVE, V.STOPPED, V.ERROR), (T.RESCUING,), V.RESCUED, ERROR,
               TWO_MINUTES),
    Transition("unrescue", (V.RESCUED,), (T.UNRESCUING,), V.ACTIVE, ERROR, TWO_MINUTES),
    Transition("change_password", (V.ACTIVE,), (T.UPDATING_PASSWORD,), V.ACTIVE, ERROR, MINUTE),
    Transition("trigger_crash_dump", (V.ACTIVE, V.PAUSED, V.RESCUED, V.RESIZED, V.ERROR), (), ANY,
               AS_BEFORE, MINUTE),
    Transition("attach_interface", (V.ACTIVE, V.PAUSED, V.STOPPED), (), ANY,
               "as before; port and interface are gone again", STEPS),
    Transition("detach_interface", (V.ACTIVE, V.PAUSED, V.STOPPED), (), ANY,
               "as before; the guest has its interface", STEPS),
    Transition("attach_volume", VOLUMES_CHANGE, (), ANY,
               "as before; the volume is free again", STEPS),
    Transition("detach_volume", VOLUMES_CHANGE, (), ANY,
               "as before; the guest has its disk", STEPS),
    Transition("swap_volume", (V.ACTIVE, V.PAUSED, V.RESIZED), (), ANY,
               "as before, on the volume it had", STEPS),
    Transition("extend_volume", (ANY,), (), ANY,
               "as before; the guest knows the old size until it starts again", STEPS),
    Transition("snapshot_volume", (ANY,), (), ANY,
               "as it was; the volume service hears of it", STEPS),
    Transition("delete_volume_snapshot", (ANY,), (), ANY,
               "as it was; the volume service hears of it", STEPS),
    Transition("snapshot_volumes", (V.ACTIVE, V.PAUSED, V.SUSPENDED, V.STOPPED),
               (), ANY, "the vm_state it was in; image and snapshots are removed", STEPS),
    Transition("create_image", (V.ACTIVE, V.PAUSED, V.SUSPENDED, V.STOPPED),
               (T.IMAGE_SNAPSHOT_PENDING, T.IMAGE_UPLOADING), ANY,
               "the vm_state it was in; the image is removed", STEPS),
    Transition("create_backup", (V.ACTIVE, V.PAUSED, V.SUSPENDED, V.STOPPED),
               (T.IMAGE_BACKUP, T.IMAGE_UPLOADING), ANY,
               "the vm_state it was in; the image is removed", STEPS),
    Transition("shelve", (V.ACTIVE, V.PAUSED, V.SUSPENDED, V.STOPPED),
               (T.SHELVING, T.SHELVING_IMAGE_UPLOADING, T.SHELVING_OFFLOADING),
               V.SHELVED_OFFLOADED,
               "active or stopped, the image is removed; offloaded once the image is there", STEPS),
    Transition("shelve_offload", (V.SHELVED,), (T.SHELVING_OFFLOADING,), V.SHELVED_OFFLOADED,
               FORWARD, TWO_MINUTES),
    Transition("unshelve", (V.SHELVED,), (T.UNSHELVING, T.POWERING_ON, T.SPAWNING), V.ACTIVE,
               AS_BEFORE, STEPS),
    Transition("unshelve", (V.SHELVED_OFFLOADED,), (T.UNSHELVING, T.SPAWNING), V.ACTIVE,
               AS_BEFORE, STEPS),
    Transition("resize", (V.ACTIVE, V.STOPPED), RESIZING, V.RESIZED,
               "as before when there is no host; else back where it was, in error", STEPS),
    Transition("migrate", (V.ACTIVE, V.STOPPED), RESIZING, V.RESIZED,
               "as before when there is no host; else back where it was, in error", STEPS),
    Transition("confirm_resize", (V.RESIZED,), (), V.ACTIVE, FORWARD, STEPS),
    Transition("revert_resize", (V.RESIZED,), (T.RESIZE_REVERTING,), V.ACTIVE,
               "resized as before while both guests are there; else error on the source", STEPS),
    Transition("live_migrate", (V.ACTIVE, V.PAUSED), (T.MIGRATING,), ANY,
               "as before, on the host it was on; in error when nobody knows where it runs", STEPS),
    Transition("evacuate", (V.ACTIVE, V.ERROR),
               (T.REBUILDING, T.REBUILD_BLOCK_DEVICE_MAPPING, T.REBUILD_SPAWNING), V.ACTIVE,
               "error with a fault; the guest left behind is still the server's", STEPS),
    Transition("evacuate", (V.STOPPED,),
               (T.REBUILDING, T.REBUILD_BLOCK_DEVICE_MAPPING, T.REBUILD_SPAWNING), V.STOPPED,
               "error with a fault; the guest left behind is still the server's", STEPS),
)  # fmt: skip


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
        ends = "as before" if t.ends == ANY else t.ends
        lines.append(
            f"| {t.workflow} | {starts} | {tasks} | {ends} | {t.deadline} | {t.on_failure} |"
        )
    edges: list[str] = []
    for t in TRANSITIONS:
        for start in t.starts:
            source = "any" if start == ANY else _node(start)
            target = source if t.ends == ANY else _node(t.ends)
            edges.append(f"    {source} --> {target}: {t.workflow}")
            if t.on_failure.startswith("error") and source != "error":
                edges.append(f"    {source} --> error: {t.workflow} failed")
    lines += ["", "```mermaid", "stateDiagram-v2", *dict.fromkeys(edges), "```", ""]
    return "\n".join(lines)


def _node(state: V | str) -> str:
    return str(state).replace("-", "_")


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201 - this is the renderer's command line
