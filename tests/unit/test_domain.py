"""The pure rules: status of a server, status of its host."""

from __future__ import annotations

import itertools

import pytest

from common.domain.host_status import HostStatus, Precedence, host_status
from common.domain.states import STATUS, TaskState, VmState, states_of_status, status


@pytest.mark.parametrize("precedence", ["documented", "nova"])
def test_host_status_truth_table(precedence: Precedence) -> None:
    for has, fresh, forced, disabled in itertools.product([False, True], repeat=4):
        shown = host_status(
            has_service=has,
            fresh=fresh,
            forced_down=forced,
            disabled=disabled,
            precedence=precedence,
        )
        if not has:
            assert shown is HostStatus.NONE
        elif forced and disabled:
            assert shown == ("MAINTENANCE" if precedence == "documented" else "DOWN")
        elif disabled:
            assert shown is HostStatus.MAINTENANCE
        elif forced:
            assert shown is HostStatus.DOWN
        else:
            assert shown == ("UP" if fresh else "UNKNOWN")


def test_every_state_has_a_status() -> None:
    assert set(STATUS) == set(VmState)
    for vm_state in VmState:
        for task_state in [None, *TaskState]:
            assert status(vm_state, task_state) != "UNKNOWN"
    assert status("no-such-state", None) == "UNKNOWN"


def test_status_filter_is_the_inverse_of_status() -> None:
    for vm_state, task_state in itertools.product(VmState, [None, *TaskState]):
        shown = status(vm_state, task_state)
        vm_states, task_states = states_of_status(shown.lower())
        assert vm_state in vm_states
        assert not task_states or task_state in task_states
    assert states_of_status("NO_SUCH_STATUS") == (set(), set())
