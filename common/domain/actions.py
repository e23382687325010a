"""Everything that can be asked of a server, one row each.

Owns: the table of server actions: what a request calls it, what the instance action is called, in
which states it is allowed, what it does to the task_state and which workflow it starts. Handlers,
checks and the messages of refusals all follow from the row.
May not: do I/O; `services/api/actions.py` carries rows out. Crash story: none, this is a table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from common.domain.states import TaskState, VmState

_ACT, _BLD, _PAU, _SUS = VmState.ACTIVE, VmState.BUILDING, VmState.PAUSED, VmState.SUSPENDED
_STO, _RES, _RSZ, _SOF = VmState.STOPPED, VmState.RESCUED, VmState.RESIZED, VmState.SOFT_DELETED
_ERR, _SHE, _OFF = VmState.ERROR, VmState.SHELVED, VmState.SHELVED_OFFLOADED

ANY_STATE = frozenset(VmState) - {VmState.DELETED}
IDLE: frozenset[TaskState | None] = frozenset({None})
"""Nothing else is being done to the server."""

Check = Literal["lock", "host", "state"]
_LOCK_STATE: tuple[Check, ...] = ("lock", "state")
_LOCK_HOST_STATE: tuple[Check, ...] = ("lock", "host", "state")
_LOCK_STATE_HOST: tuple[Check, ...] = ("lock", "state", "host")
_STATE: tuple[Check, ...] = ("state",)


@dataclass(frozen=True)
class Action:
    """One row.

    `checks` are made in that order, the first that fails is the answer: lock (a locked server
    refuses everybody but administrators), host (the server must be on one), state.
    """

    key: str
    """In the body of POST /servers/{id}/action, or a name for other requests."""
    records: str | None
    """Name of the instance action; None: nothing is recorded."""
    policy: str
    vm_states: frozenset[VmState] = ANY_STATE
    task_states: frozenset[TaskState | None] | None = IDLE
    """None: any."""
    checks: tuple[Check, ...] = _LOCK_STATE
    starts: TaskState | None = None
    """task_state from the moment of the answer; None: unchanged."""
    workflow: str | None = None
    """Kind of the workflow that does it; None: the request itself does."""
    called: str | None = None
    """Its name in refusals, where that is not `key`."""
    must_have_launched: bool = True
    """A server that never ran is refused."""
    needs_host_up: bool = False
    """The host check also wants the host's service to be up."""
    settles: str | None = None
    """Status of the finished migration that the action confirms or reverts, from the moment of
    the answer."""

    @property
    def word(self) -> str:
        return self.called or self.key


def _rule(name: str) -> str:
    return f"os_compute_api:{name}"


def _states(*states: VmState) -> frozenset[VmState]:
    return frozenset(states)


START = Action(
    "os-start", "start", _rule("servers:start"),
    _states(_STO), checks=_LOCK_HOST_STATE, called="start",
    starts=TaskState.POWERING_ON, workflow="start",
)  # fmt: skip
STOP = Action(
    "os-stop", "stop", _rule("servers:stop"),
    _states(_ACT, _ERR), checks=_LOCK_HOST_STATE, called="stop",
    starts=TaskState.POWERING_OFF, workflow="stop",
)  # fmt: skip
REBOOT_SOFT = Action(
    "reboot", "reboot", _rule("servers:reboot"),
    _states(_ACT), starts=TaskState.REBOOTING, workflow="reboot",
)  # fmt: skip
REBOOT_HARD = replace(
    REBOOT_SOFT,
    vm_states=_states(_ACT, _PAU, _SUS, _STO, _ERR),
    task_states=IDLE
    | {
        TaskState.REBOOTING,
        TaskState.REBOOT_PENDING,
        TaskState.REBOOT_STARTED,
        TaskState.REBOOTING_HARD,
        TaskState.PAUSING,
        TaskState.UNPAUSING,
        TaskState.SUSPENDING,
        TaskState.RESUMING,
    },
    starts=TaskState.REBOOTING_HARD,
)
PAUSE = Action(
    "pause", "pause", _rule("os-pause-server:pause"),
    _states(_ACT), starts=TaskState.PAUSING, workflow="pause",
)  # fmt: skip
UNPAUSE = Action(
    "unpause", "unpause", _rule("os-pause-server:unpause"),
    _states(_PAU), starts=TaskState.UNPAUSING, workflow="unpause",
)  # fmt: skip
SUSPEND = Action(
    "suspend", "suspend", _rule("os-suspend-server:suspend"),
    _states(_ACT), starts=TaskState.SUSPENDING, workflow="suspend",
)  # fmt: skip
RESUME = Action(
    "resume", "resume", _rule("os-suspend-server:resume"),
    _states(_SUS), starts=TaskState.RESUMING, workflow="resume",
)  # fmt: skip
REBUILD = Action(
    "rebuild", "rebuild", _rule("servers:rebuild"),
    _states(_ACT, _STO, _ERR), starts=TaskState.REBUILDING, workflow="rebuild",
)  # fmt: skip
EVACUATE = Action(
    "evacuate", "evacuate", _rule("os-evacuate"),
    _states(_ACT, _STO, _ERR), task_states=None, checks=_STATE,
    starts=TaskState.REBUILDING, workflow="evacuate",
)  # fmt: skip
RESIZE = Action(
    "resize", "resize", _rule("servers:resize"),
    _states(_ACT, _STO), checks=_LOCK_STATE_HOST, needs_host_up=True,
    starts=TaskState.RESIZE_PREP, workflow="resize",
)  # fmt: skip
MIGRATE = Action(
    "migrate", "migrate", _rule("os-migrate-server:migrate"),
    _states(_ACT, _STO), checks=_LOCK_STATE_HOST, needs_host_up=True,
    starts=TaskState.RESIZE_PREP, workflow="migrate",
)  # fmt: skip
CONFIRM_RESIZE = Action(
    "confirmResize", "confirmResize", _rule("servers:confirm_resize"),
    _states(_RSZ), workflow="confirm_resize", settles="confirming",
)  # fmt: skip
REVERT_RESIZE = Action(
    "revertResize", "revertResize", _rule("servers:revert_resize"),
    _states(_RSZ), starts=TaskState.RESIZE_REVERTING, workflow="revert_resize",
    settles="reverting",
)  # fmt: skip
LIVE_MIGRATE = Action(
    "os-migrateLive", "live-migration", _rule("os-migrate-server:migrate_live"),
    _states(_ACT, _PAU), starts=TaskState.MIGRATING, workflow="live_migrate",
)  # fmt: skip
LIVE_MIGRATION_FORCE = Action(
    "force_complete", "live_migration_force_complete", _rule("servers:migrations:force_complete"),
    _states(_ACT), task_states=frozenset({TaskState.MIGRATING}),
)  # fmt: skip
LIVE_MIGRATION_ABORT = Action(
    "abort", "live_migration_cancel", _rule("servers:migrations:delete"),
    task_states=frozenset({TaskState.MIGRATING}),
)  # fmt: skip
RESCUE = Action(
    "rescue", "rescue", _rule("os-rescue"),
    _states(_ACT, _STO, _ERR), starts=TaskState.RESCUING, workflow="rescue",
)  # fmt: skip
UNRESCUE = Action(
    "unrescue", "unrescue", _rule("os-unrescue"),
    _states(_RES), starts=TaskState.UNRESCUING, workflow="unrescue",
)  # fmt: skip
SHELVE = Action(
    "shelve", "shelve", _rule("os-shelve:shelve"),
    _states(_ACT, _PAU, _SUS, _STO), starts=TaskState.SHELVING, workflow="shelve",
)  # fmt: skip
SHELVE_OFFLOAD = Action(
    "shelveOffload", "shelveOffload", _rule("os-shelve:shelve_offload"),
    _states(_SHE), starts=TaskState.SHELVING_OFFLOADING, workflow="shelve_offload",
)  # fmt: skip
UNSHELVE = Action(
    "unshelve", "unshelve", _rule("os-shelve:unshelve"),
    _states(_SHE, _OFF), starts=TaskState.UNSHELVING, workflow="unshelve",
)  # fmt: skip
CREATE_IMAGE = Action(
    "createImage", "createImage", _rule("servers:create_image"),
    _states(_ACT, _PAU, _SUS, _STO), checks=_STATE,
    starts=TaskState.IMAGE_SNAPSHOT_PENDING, workflow="create_image",
)  # fmt: skip
CREATE_IMAGE_OF_VOLUMES = replace(CREATE_IMAGE, starts=None, workflow="snapshot_volumes")
CREATE_BACKUP = Action(
    "createBackup", "createBackup", _rule("os-create-backup"),
    _states(_ACT, _PAU, _SUS, _STO), checks=_STATE,
    starts=TaskState.IMAGE_BACKUP, workflow="create_backup",
)  # fmt: skip
CHANGE_PASSWORD = Action(
    "changePassword", "changePassword", _rule("os-admin-password"),
    _states(_ACT), starts=TaskState.UPDATING_PASSWORD, workflow="change_password",
)  # fmt: skip
CRASH_DUMP = Action(
    "trigger_crash_dump", "trigger_crash_dump", _rule("servers:trigger_crash_dump"),
    _states(_ACT, _PAU, _RES, _RSZ, _ERR), checks=_LOCK_HOST_STATE,
    workflow="trigger_crash_dump",
)  # fmt: skip
DELETE = Action(
    "delete", "delete", _rule("servers:delete"),
    task_states=None, starts=TaskState.DELETING, workflow="delete", must_have_launched=False,
)  # fmt: skip
FORCE_DELETE = replace(DELETE, key="forceDelete", policy=_rule("os-deferred-delete:force"))
RESTORE = Action(
    "restore", "restore", _rule("os-deferred-delete:restore"),
    _states(_SOF), starts=TaskState.RESTORING, workflow="restore", must_have_launched=False,
)  # fmt: skip
ATTACH_VOLUME = Action(
    "attach_volume", "attach_volume", _rule("os-volumes-attachments:create"),
    _states(_ACT, _PAU, _STO, _RSZ, _SOF, _SHE, _OFF), workflow="attach_volume",
)  # fmt: skip
DETACH_VOLUME = replace(
    ATTACH_VOLUME, key="detach_volume", records="detach_volume",
    policy=_rule("os-volumes-attachments:delete"), workflow="detach_volume",
)  # fmt: skip
SWAP_VOLUME = Action(
    "swap_volume", "swap_volume", _rule("os-volumes-attachments:swap"),
    _states(_ACT, _PAU, _RSZ), workflow="swap_volume",
)  # fmt: skip
EXTEND_VOLUME = Action(
    "extend_volume", "extend_volume", _rule("os-server-external-events:create"),
    task_states=None, checks=(), workflow="extend_volume",
)  # fmt: skip
ATTACH_INTERFACE = Action(
    "attach_interface", "attach_interface", _rule("os-attach-interfaces:create"),
    _states(_ACT, _PAU, _STO), workflow="attach_interface",
)  # fmt: skip
DETACH_INTERFACE = replace(
    ATTACH_INTERFACE, key="detach_interface", records="detach_interface",
    policy=_rule("os-attach-interfaces:delete"), workflow="detach_interface",
)  # fmt: skip
SNAPSHOT_VOLUME = Action(
    "volume_snapshot_create", "volume_snapshot_create",
    _rule("os-assisted-volume-snapshots:create"),
    checks=("host", "state"), workflow="snapshot_volume",
)  # fmt: skip
DELETE_VOLUME_SNAPSHOT = replace(
    SNAPSHOT_VOLUME, key="volume_snapshot_delete", records="volume_snapshot_delete",
    policy=_rule("os-assisted-volume-snapshots:delete"), workflow="delete_volume_snapshot",
)  # fmt: skip
ADD_FIXED_IP = Action(
    "addFixedIp", None, _rule("os-multinic:add"),
    task_states=None, checks=("lock",),
)  # fmt: skip
REMOVE_FIXED_IP = replace(ADD_FIXED_IP, key="removeFixedIp", policy=_rule("os-multinic:remove"))
CONSOLE_OUTPUT = Action(
    "os-getConsoleOutput", None, _rule("os-console-output"),
    task_states=None, checks=("host",),
)  # fmt: skip
VNC_CONSOLE = Action(
    "os-getVNCConsole", None, _rule("os-remote-consoles"),
    task_states=(frozenset(TaskState) | IDLE) - {TaskState.DELETING, TaskState.MIGRATING},
    checks=("host", "state"), called="get_vnc_console", must_have_launched=False,
)  # fmt: skip
SPICE_CONSOLE = replace(VNC_CONSOLE, key="os-getSPICEConsole", called="get_spice_console")
SERIAL_CONSOLE = replace(VNC_CONSOLE, key="os-getSerialConsole", called="get_serial_console")
MKS_CONSOLE = replace(VNC_CONSOLE, key="mks console", called="get_mks_console")
DIAGNOSTICS = replace(CONSOLE_OUTPUT, key="diagnostics", policy=_rule("os-server-diagnostics"))
INJECT_NETWORK_INFO = Action(
    "injectNetworkInfo", None, _rule("os-admin-actions:inject_network_info"),
    task_states=None, checks=("lock",),
)  # fmt: skip
LOCK = Action("lock", "lock", _rule("os-lock-server:lock"), task_states=None, checks=())
UNLOCK = replace(LOCK, key="unlock", records="unlock", policy=_rule("os-lock-server:unlock"))
RESET_STATE = Action(
    "os-resetState", "resetState", _rule("os-admin-actions:reset_state"),
    task_states=None, checks=(),
)  # fmt: skip
UPDATE_METADATA = Action(
    "update metadata", None, _rule("server-metadata:update"),
    _states(_ACT, _PAU, _SUS, _STO), task_states=None,
)  # fmt: skip
DELETE_METADATA = replace(
    UPDATE_METADATA, key="delete metadata", policy=_rule("server-metadata:delete")
)
UPDATE_TAGS = Action(
    "update tag", None, _rule("os-server-tags:update"),
    _states(_ACT, _PAU, _SUS, _STO), task_states=None, checks=_STATE,
)  # fmt: skip
ATTACH_SHARE = Action(
    "attach_share", None, _rule("os-server-shares:create"), _states(_STO), checks=_STATE,
)  # fmt: skip
DETACH_SHARE = Action(
    "detach_share", None, _rule("os-server-shares:delete"), _states(_STO, _ERR), checks=_STATE,
)  # fmt: skip

ACTIONS: tuple[Action, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Action)
)
"""All rows."""
