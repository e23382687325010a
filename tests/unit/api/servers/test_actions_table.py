"""The table of actions against the published table of where each operation is allowed."""

from __future__ import annotations

import pytest

from common.domain import actions
from common.domain.actions import ACTIONS, ANY_STATE, Action
from common.domain.states import VmState
from services.api.policies import all_rules

COLUMNS = {
    "ACT": "active", "BLD": "building", "PAU": "paused", "SUS": "suspended", "STO": "stopped",
    "RES": "rescued", "RSZ": "resized", "SOF": "soft-delete", "ERR": "error", "SHE": "shelved",
    "OFF": "shelved_offloaded",
}  # fmt: skip
ALLOWED = {
    "START": "STO", "STOP": "ACT ERR", "REBOOT_SOFT": "ACT",
    "REBOOT_HARD": "ACT PAU SUS STO ERR", "PAUSE": "ACT", "UNPAUSE": "PAU", "SUSPEND": "ACT",
    "RESUME": "SUS", "REBUILD": "ACT STO ERR", "RESIZE": "ACT STO", "MIGRATE": "ACT STO",
    "CONFIRM_RESIZE": "RSZ", "REVERT_RESIZE": "RSZ", "RESCUE": "ACT STO ERR", "UNRESCUE": "RES",
    "SHELVE": "ACT PAU SUS STO", "SHELVE_OFFLOAD": "SHE", "UNSHELVE": "SHE OFF",
    "LIVE_MIGRATE": "ACT PAU", "LIVE_MIGRATION_FORCE": "ACT", "EVACUATE": "ACT STO ERR",
    "CREATE_IMAGE": "ACT PAU SUS STO", "CREATE_BACKUP": "ACT PAU SUS STO",
    "CHANGE_PASSWORD": "ACT", "CRASH_DUMP": "ACT PAU RES RSZ ERR", "RESTORE": "SOF",
    "ATTACH_VOLUME": "ACT PAU STO RSZ SOF SHE OFF", "SWAP_VOLUME": "ACT PAU RSZ",
    "ATTACH_INTERFACE": "ACT PAU STO", "UPDATE_METADATA": "ACT PAU SUS STO",
    "UPDATE_TAGS": "ACT PAU SUS STO", "ATTACH_SHARE": "STO", "DETACH_SHARE": "STO ERR",
}  # fmt: skip
ANYWHERE = {
    "DELETE", "FORCE_DELETE", "LIVE_MIGRATION_ABORT", "CONSOLE_OUTPUT", "LOCK", "UNLOCK",
    "VNC_CONSOLE", "SPICE_CONSOLE", "SERIAL_CONSOLE", "MKS_CONSOLE",
    "RESET_STATE",
}  # fmt: skip
UNLOCKED_ONLY_BY_STATE = {
    "EVACUATE", "CREATE_IMAGE", "CREATE_BACKUP", "UPDATE_TAGS", "ATTACH_SHARE", "DETACH_SHARE",
}  # fmt: skip


@pytest.mark.parametrize("name", ALLOWED)
def test_vm_states(name: str) -> None:
    row: Action = getattr(actions, name)
    assert row.vm_states == {COLUMNS[column] for column in ALLOWED[name].split()}


@pytest.mark.parametrize("name", sorted(ANYWHERE))
def test_in_any_state(name: str) -> None:
    assert getattr(actions, name).vm_states == ANY_STATE


def test_every_row_that_is_not_for_any_state_is_compared() -> None:
    same = {"CREATE_IMAGE_OF_VOLUMES", "DETACH_VOLUME", "DETACH_INTERFACE", "DELETE_METADATA"}
    rows = {name: row for name, row in vars(actions).items() if isinstance(row, Action)}
    assert set(rows.values()) == set(ACTIONS)
    particular = {name for name, row in rows.items() if row.vm_states != ANY_STATE}
    assert particular == set(ALLOWED) | same
    assert VmState.DELETED not in ANY_STATE


@pytest.mark.parametrize("name", sorted(UNLOCKED_ONLY_BY_STATE))
def test_a_lock_does_not_matter_to(name: str) -> None:
    assert getattr(actions, name).checks == ("state",)


@pytest.mark.parametrize("row", ACTIONS, ids=lambda row: row.key)
def test_rows_are_whole(row: Action) -> None:
    assert row.policy in all_rules()
    if row.workflow:
        assert row.records
    if row.starts:
        assert row.workflow, "a task_state that nobody ends"
