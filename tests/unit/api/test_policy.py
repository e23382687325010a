"""Decisions: the declared defaults, the operator's file, and what is remembered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.errors import Bug
from services.api.policies import all_rules
from services.api.policy import Policy
from services.api.request import RequestContext

SHOW = "os_compute_api:servers:show"
CREATE = "os_compute_api:servers:create"
EVACUATE = "os_compute_api:os-evacuate"
KEYPAIR = "os_compute_api:os-keypairs:show"


def _who(*roles: str, project: str = "p1", user: str = "u1") -> RequestContext:
    return RequestContext("req-1", user, project, frozenset(roles), is_admin=False)


@pytest.fixture(scope="module")
def defaults() -> Policy:
    return Policy(all_rules(), None)


@pytest.mark.parametrize(
    ("rule", "roles", "project", "allowed"),
    [
        (SHOW, ("reader",), "p1", True),
        (SHOW, ("reader",), "p2", False),
        (SHOW, ("admin",), "p2", True),
        (SHOW, (), "p1", False),
        (CREATE, ("reader",), "p1", False),
        (CREATE, ("member",), "p1", True),
        (EVACUATE, ("manager", "member"), "p1", False),
        (EVACUATE, ("admin",), "p1", True),
        ("os_compute_api:limits", (), "p1", True),
        ("compute:servers:resize:cross_cell", ("admin",), "p1", False),
    ],
)
def test_defaults(
    defaults: Policy, rule: str, roles: tuple[str, ...], project: str, allowed: bool
) -> None:
    for _ in range(2):  # decided, then remembered
        assert defaults.allows(rule, _who(*roles), project) is allowed


def test_a_misspelt_rule_is_nobodys_refusal(defaults: Policy) -> None:
    with pytest.raises(Bug, match="no:such:rule"):
        defaults.allows("no:such:rule", _who("admin"))


def test_own_user(defaults: Policy) -> None:
    assert defaults.allows(KEYPAIR, _who(), user_id="u1")
    assert not defaults.allows(KEYPAIR, _who(), user_id="u2")


def test_without_a_project_only_being_admin_counts(defaults: Policy) -> None:
    nowhere = _who("admin", project="")
    assert defaults.allows("context_is_admin", nowhere)
    assert not defaults.allows(EVACUATE, nowhere)
    assert not defaults.allows(SHOW, _who("reader", project=""))


def test_operators_file_wins_and_is_taken_up_again(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{EVACUATE}": "role:doctor"\n')
    policy = Policy(all_rules(), file)
    assert policy.allows(EVACUATE, _who("doctor"))
    assert not policy.allows(EVACUATE, _who("admin"))
    assert policy.allows(SHOW, _who("reader"))


async def test_edited_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{EVACUATE}": "role:doctor"\n')
    policy = Policy(all_rules(), file)
    assert not policy.allows(EVACUATE, _who("nurse"))
    _write(file, f'"{EVACUATE}": "role:nurse"\n', 1)
    await policy.reload_if_changed()
    assert policy.allows(EVACUATE, _who("nurse"))
    _write(file, "{ not yaml", 2)
    await policy.reload_if_changed()
    assert policy.allows(EVACUATE, _who("nurse")), "a broken edit changes nothing"


def _write(file: Path, text: str, age: int) -> None:
    file.write_text(text)
    stamp = file.stat().st_mtime + age
    os.utime(file, (stamp, stamp))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="MUSTER_API__POLICY_FILE"):
        Policy(all_rules(), tmp_path / "none.yaml")
