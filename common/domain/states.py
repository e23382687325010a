"""The states of a server, and what users are shown of them.

Owns: the values of vm_state, task_state and power_state, named sets of them, and `status`.
May not: do I/O, or change a state; that is `common/db/stores/servers.py`, by compare-and-set.
Source of the values: Compute API v2.1 as Nova speaks it. Crash story: none, this is a table.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class VmState(StrEnum):
    """The stable state: what the server is between two tasks."""

    ACTIVE = "active"
    BUILDING = "building"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    RESCUED = "rescued"
    RESIZED = "resized"
    SOFT_DELETED = "soft-delete"
    DELETED = "deleted"
    ERROR = "error"
    SHELVED = "shelved"
    SHELVED_OFFLOADED = "shelved_offloaded"


class TaskState(StrEnum):
    """What is being done to the server now; null when nothing is."""

    SCHEDULING = "scheduling"
    NETWORKING = "networking"
    BLOCK_DEVICE_MAPPING = "block_device_mapping"
    SPAWNING = "spawning"
    DELETING = "deleting"
    SOFT_DELETING = "soft-deleting"
    RESTORING = "restoring"
    POWERING_OFF = "powering-off"
    POWERING_ON = "powering-on"
    REBOOTING = "rebooting"
    REBOOT_PENDING = "reboot_pending"
    REBOOT_STARTED = "reboot_started"
    REBOOTING_HARD = "rebooting_hard"
    REBOOT_PENDING_HARD = "reboot_pending_hard"
    REBOOT_STARTED_HARD = "reboot_started_hard"
    PAUSING = "pausing"
    UNPAUSING = "unpausing"
    SUSPENDING = "suspending"
    RESUMING = "resuming"
    REBUILDING = "rebuilding"
    REBUILD_BLOCK_DEVICE_MAPPING = "rebuild_block_device_mapping"
    REBUILD_SPAWNING = "rebuild_spawning"
    RESIZE_PREP = "resize_prep"
    RESIZE_MIGRATING = "resize_migrating"
    RESIZE_MIGRATED = "resize_migrated"
    RESIZE_FINISH = "resize_finish"
    RESIZE_CONFIRMING = "resize_confirming"
    RESIZE_REVERTING = "resize_reverting"
    MIGRATING = "migrating"
    RESCUING = "rescuing"
    UNRESCUING = "unrescuing"
    SHELVING = "shelving"
    SHELVING_IMAGE_PENDING_UPLOAD = "shelving_image_pending_upload"
    SHELVING_IMAGE_UPLOADING = "shelving_image_uploading"
    SHELVING_OFFLOADING = "shelving_offloading"
    UNSHELVING = "unshelving"
    UPDATING_PASSWORD = "updating_password"  # noqa: S105 - a state's name
    IMAGE_SNAPSHOT = "image_snapshot"
    IMAGE_SNAPSHOT_PENDING = "image_snapshot_pending"
    IMAGE_PENDING_UPLOAD = "image_pending_upload"
    IMAGE_UPLOADING = "image_uploading"
    IMAGE_BACKUP = "image_backup"


class PowerState(IntEnum):
    """What the hypervisor says of the guest; integers on the wire."""

    PENDING = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


REBUILD_TASKS = frozenset(
    {
        TaskState.REBUILDING,
        TaskState.REBUILD_BLOCK_DEVICE_MAPPING,
        TaskState.REBUILD_SPAWNING,
    }
)
"""Tasks shown as REBUILD; an evacuation is one."""

RESIZE_TASKS = frozenset(
    {
        TaskState.RESIZE_PREP,
        TaskState.RESIZE_MIGRATING,
        TaskState.RESIZE_MIGRATED,
        TaskState.RESIZE_FINISH,
    }
)
"""Tasks shown as RESIZE."""

_DEFAULT = None

STATUS: dict[VmState, dict[TaskState | None, str]] = {
    VmState.ACTIVE: {
        _DEFAULT: "ACTIVE",
        TaskState.REBOOTING: "REBOOT",
        TaskState.REBOOT_PENDING: "REBOOT",
        TaskState.REBOOT_STARTED: "REBOOT",
        TaskState.REBOOTING_HARD: "HARD_REBOOT",
        TaskState.REBOOT_PENDING_HARD: "HARD_REBOOT",
        TaskState.REBOOT_STARTED_HARD: "HARD_REBOOT",
        TaskState.UPDATING_PASSWORD: "PASSWORD",
        TaskState.MIGRATING: "MIGRATING",
        **dict.fromkeys(REBUILD_TASKS, "REBUILD"),
        **dict.fromkeys(RESIZE_TASKS, "RESIZE"),
    },
    VmState.BUILDING: {_DEFAULT: "BUILD"},
    VmState.PAUSED: {_DEFAULT: "PAUSED", TaskState.MIGRATING: "MIGRATING"},
    VmState.SUSPENDED: {_DEFAULT: "SUSPENDED"},
    VmState.STOPPED: {
        _DEFAULT: "SHUTOFF",
        **dict.fromkeys(REBUILD_TASKS, "REBUILD"),
        **dict.fromkeys(RESIZE_TASKS, "RESIZE"),
    },
    VmState.RESCUED: {_DEFAULT: "RESCUE"},
    VmState.RESIZED: {_DEFAULT: "VERIFY_RESIZE", TaskState.RESIZE_REVERTING: "REVERT_RESIZE"},
    VmState.SOFT_DELETED: {_DEFAULT: "SOFT_DELETED"},
    VmState.DELETED: {_DEFAULT: "DELETED"},
    VmState.ERROR: {_DEFAULT: "ERROR", **dict.fromkeys(REBUILD_TASKS, "REBUILD")},
    VmState.SHELVED: {_DEFAULT: "SHELVED"},
    VmState.SHELVED_OFFLOADED: {_DEFAULT: "SHELVED_OFFLOADED"},
}
"""`status` by vm_state and task_state; the None entry is for every other task."""

PROGRESS_STATUSES = frozenset(
    {"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}
)
"""`progress` is shown in these only."""

FAULT_STATUSES = frozenset({"ERROR", "DELETED"})
"""`fault` is shown in these only."""


def status(vm_state: str, task_state: str | None) -> str:
    """The `status` users see; "UNKNOWN" for a vm_state that is not ours."""
    try:
        by_task = STATUS[VmState(vm_state)]
    except ValueError:
        return "UNKNOWN"
    task = TaskState(task_state) if task_state in _TASKS else None
    return by_task.get(task, by_task[_DEFAULT])


_TASKS = frozenset(TaskState)


def states_of_status(wanted: str) -> tuple[set[VmState], set[TaskState]]:
    """The (vm_states, task_states) that show as `wanted`, case-insensitive; for list filters.

    An empty set of task_states means any: when a default entry matches, only vm_state counts.
    Both empty: no such status.
    """
    wanted = wanted.upper()
    vm_states: set[VmState] = set()
    task_states: set[TaskState] = set()
    default = False
    for vm_state, by_task in STATUS.items():
        for task_state, shown in by_task.items():
            if shown != wanted:
                continue
            vm_states.add(vm_state)
            if task_state is None:
                default = True
            else:
                task_states.add(task_state)
    return vm_states, set() if default else task_states
