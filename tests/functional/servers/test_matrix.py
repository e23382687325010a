"""Every action, in every state, with every lock, by every role: the answers are this table's.

The table is written out here, not taken from the code, so that it can disagree with it. Servers are
rows; each case is one HTTP request against a real database and real neighbours.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.functional.servers.conftest import Stack

VM_STATES = (
    "active", "building", "paused", "suspended", "stopped", "rescued", "resized", "soft-delete",
    "error", "shelved", "shelved_offloaded",
)  # fmt: skip
TASK_STATES = (
    "block_device_mapping", "deleting", "image_backup", "image_pending_upload", "image_snapshot",
    "image_snapshot_pending", "image_uploading", "migrating", "networking", "pausing",
    "powering-off", "powering-on", "reboot_pending", "reboot_pending_hard", "reboot_started",
    "reboot_started_hard", "rebooting", "rebooting_hard", "rebuild_block_device_mapping",
    "rebuild_spawning", "rebuilding", "rescuing", "resize_confirming", "resize_finish",
    "resize_migrated", "resize_migrating", "resize_prep", "resize_reverting", "restoring",
    "resuming", "scheduling", "shelving", "shelving_image_pending_upload",
    "shelving_image_uploading", "shelving_offloading", "soft-deleting", "spawning", "suspending",
    "unpausing", "unrescuing", "unshelving", "updating_password",
)  # fmt: skip
HARD_REBOOTS = {
    "reboot_pending", "reboot_started", "rebooting", "rebooting_hard", "pausing", "unpausing",
    "resuming", "suspending",
}  # fmt: skip
IMAGE = "<image>"
OTHER_FLAVOR = "<flavor>"
MIGRATION = "<migration>"


@dataclass(frozen=True)
class Row:
    """What is allowed. `host`: None, "set", "up", or "down" for a server that needs a dead one."""

    body: Any
    vm_states: str
    """Names of `VM_STATES`, apart by blanks; * for all."""
    word: str = ""
    """Its name in refusals; "": the key of the body."""
    tasks: frozenset[str | None] | None = frozenset({None})
    """None: any."""
    checks: str = "lock state"
    host: str = "up"
    """Of the server a case is made for."""
    code: int = 202
    starts: str | None = None
    """task_state afterwards."""
    records: str | None = None
    """None: nothing is recorded."""
    workflow: str | None = None
    never_launched: bool = False
    """A server that never ran is not refused."""
    role: str = "member"
    """The least role that may."""
    method: str = "POST"
    path: str = "action"


_UNIMAGED = "active paused suspended stopped"
ANY_TASK = None
TABLE: dict[str, Row] = {
    "start": Row({"os-start": None}, "stopped", "start", checks="lock host state",
                 starts="powering-on", records="start", workflow="start"),
    "stop": Row({"os-stop": None}, "active error", "stop", checks="lock host state",
                starts="powering-off", records="stop", workflow="stop"),
    "reboot": Row({"reboot": {"type": "SOFT"}}, "active", starts="rebooting", records="reboot",
                  workflow="reboot"),
    "reboot hard": Row({"reboot": {"type": "HARD"}}, "active paused suspended stopped error",
                       tasks=frozenset({None, *HARD_REBOOTS}), starts="rebooting_hard",
                       records="reboot", workflow="reboot"),
    "pause": Row({"pause": None}, "active", starts="pausing", records="pause", workflow="pause"),
    "unpause": Row({"unpause": None}, "paused", starts="unpausing", records="unpause",
                   workflow="unpause"),
    "suspend": Row({"suspend": None}, "active", starts="suspending", records="suspend",
                   workflow="suspend"),
    "resume": Row({"resume": None}, "suspended", starts="resuming", records="resume",
                  workflow="resume"),
    "rebuild": Row({"rebuild": {"imageRef": IMAGE}}, "active stopped error", starts="rebuilding",
                   records="rebuild", workflow="rebuild"),
    "resize": Row({"resize": {"flavorRef": OTHER_FLAVOR}}, "active stopped",
                  checks="lock state host", starts="resize_prep", records="resize",
                  workflow="resize"),
    "migrate": Row({"migrate": None}, "active stopped", checks="lock state host",
                   starts="resize_prep", records="migrate", workflow="migrate", role="manager"),
    "confirmResize": Row({"confirmResize": None}, "resized", code=204, records="confirmResize",
                         workflow="confirm_resize"),
    "revertResize": Row({"revertResize": None}, "resized", starts="resize_reverting",
                        records="revertResize", workflow="revert_resize"),
    "rescue": Row({"rescue": None}, "active stopped error", code=200, starts="rescuing",
                  records="rescue", workflow="rescue"),
    "unrescue": Row({"unrescue": None}, "rescued", starts="unrescuing", records="unrescue",
                    workflow="unrescue"),
    "shelve": Row({"shelve": None}, _UNIMAGED, starts="shelving", records="shelve",
                  workflow="shelve"),
    "shelveOffload": Row({"shelveOffload": None}, "shelved", starts="shelving_offloading",
                         records="shelveOffload", workflow="shelve_offload", role="admin"),
    "unshelve": Row({"unshelve": None}, "shelved shelved_offloaded", starts="unshelving",
                    records="unshelve", workflow="unshelve"),
    "os-migrateLive": Row({"os-migrateLive": {"host": None, "block_migration": "auto"}},
                          "active paused", starts="migrating", records="live-migration",
                          workflow="live_migrate", role="manager"),
    "force_complete": Row({"force_complete": None}, "active", tasks=frozenset({"migrating"}),
                          records="live_migration_force_complete", role="manager",
                          path=f"migrations/{MIGRATION}/action"),
    "abort": Row(None, "*", "abort", tasks=frozenset({"migrating"}),
                 records="live_migration_cancel", role="manager", method="DELETE",
                 path=f"migrations/{MIGRATION}"),
    "evacuate": Row({"evacuate": {}}, "active stopped error", tasks=ANY_TASK, checks="state",
                    host="fenced", code=200, starts="rebuilding", records="evacuate",
                    workflow="evacuate", role="admin"),
    "createImage": Row({"createImage": {"name": "i"}}, _UNIMAGED, checks="state",
                       starts="image_snapshot_pending", records="createImage",
                       workflow="create_image"),
    "createBackup": Row(
        {"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}, _UNIMAGED,
        checks="state", starts="image_backup", records="createBackup", workflow="create_backup"),
    "changePassword": Row({"changePassword": {"adminPass": "x"}}, "active",
                          starts="updating_password", records="changePassword",
                          workflow="change_password"),
    "trigger_crash_dump": Row({"trigger_crash_dump": None}, "active paused rescued resized error",
                              checks="lock host state", records="trigger_crash_dump",
                              workflow="trigger_crash_dump"),
    "delete": Row(None, "*", tasks=ANY_TASK, code=204, starts="deleting", records="delete",
                  workflow="delete", never_launched=True, method="DELETE", path=""),
    "forceDelete": Row({"forceDelete": None}, "*", tasks=ANY_TASK, starts="deleting",
                       records="delete", workflow="delete", never_launched=True),
    "restore": Row({"restore": None}, "soft-delete", starts="restoring", records="restore",
                   workflow="restore", never_launched=True),
    "injectNetworkInfo": Row({"injectNetworkInfo": None}, "*", tasks=ANY_TASK, checks="lock",
                             role="admin"),
    "lock": Row({"lock": None}, "*", tasks=ANY_TASK, checks="", records="lock"),
    "unlock": Row({"unlock": None}, "*", tasks=ANY_TASK, checks="", records="unlock"),
    "os-resetState": Row({"os-resetState": {"state": "error"}}, "*", tasks=ANY_TASK, checks="",
                         records="resetState", role="admin"),
}  # fmt: skip
CLEARS_TASK = {"os-resetState"}
MAY_NOT_UNLOCK = "os_compute_api:os-lock-server:unlock:unlock_override"
ROLES = {"reader": 0, "demo": 1, "manager": 2, "admin": 3}
"""Users of the server's project and administrators of another, by rank."""
NEEDS = {"member": 1, "manager": 2, "admin": 3}


@dataclass(frozen=True)
class Case:
    """A server and who asks."""

    vm_state: str
    task: str | None = None
    locked: str | None = None
    user: str = "admin"
    host: str | None = "up"
    launched: bool = True


@pytest.fixture(scope="module", autouse=True)
async def hosts(stack: Stack) -> None:
    await stack.add_host("up")
    await stack.add_host("down", fresh=False)
    await stack.add_host("fenced", forced_down=True)
    await _manager(stack)


async def _manager(stack: Stack) -> None:
    """Somebody between a member and an administrator."""
    roles = {r["name"]: r["id"] for r in (await stack.identity("GET", "/roles"))["roles"]}
    body = {"user": {"name": "manager", "password": "manager", "domain_id": "default"}}
    user_id = (await stack.identity("POST", "/users", body))["user"]["id"]
    project = stack.projects["demo"]
    grant = f"/projects/{project}/users/{user_id}/roles/{roles['manager']}"
    await stack.identity("PUT", grant)
    await stack.login("manager", "demo")


def allowed_states(row: Row) -> Iterable[str]:
    return VM_STATES if row.vm_states == "*" else row.vm_states.split()


def expected(name: str, row: Row, case: Case) -> tuple[int, str]:
    """Status and, for a refusal, its words with {id} for the server."""
    if ROLES[case.user] < NEEDS[row.role]:
        return 403, "Policy doesn't allow"
    if name == "unlock" and case.locked == "admin" and case.user != "admin":
        return 403, MAY_NOT_UNLOCK
    word = row.word or next(iter(row.body or {"delete": None}))
    for check in row.checks.split():
        if check == "lock" and case.locked and case.user != "admin":
            return 409, "Instance {id} is locked"
        if check == "host" and case.host is None:
            return 409, "Instance {id} is not ready"
        if check == "host" and case.host == "down" and name in {"resize", "migrate"}:
            return 409, "Service is unavailable"
        if check == "state":
            if case.vm_state not in allowed_states(row):
                return (
                    409,
                    f"Cannot '{word}' instance {{id}} while it is in vm_state {case.vm_state}",
                )
            if row.tasks is not None and case.task not in row.tasks:
                return 409, f"Cannot '{word}' instance {{id}} while it is in task_state {case.task}"
            if not case.launched and not row.never_launched:
                return 409, f"Instance {{id}} is in an invalid state for '{word}'"
    return row.code, ""


async def attempt(stack: Stack, name: str, row: Row, case: Case) -> None:
    """Ask, compare with the table, and look at what was left behind."""
    host = case.host if case.host is None or row.host == "up" else row.host
    columns: dict[str, Any] = {} if case.launched else {"launched_at": None}
    server_id = await stack.server(
        vm_state=case.vm_state, task_state=case.task, locked_by=case.locked, host=host, node=host,
        generation=1, image_ref=stack.image, **columns,
    )  # fmt: skip
    migration = await add_migration(stack, server_id, name, case)
    path = f"/servers/{server_id}/{row.path}".rstrip("/").replace(MIGRATION, str(migration))
    answer = await stack.call(row.method, path, filled(stack, row.body), user=case.user)
    status, words = expected(name, row, case)
    about = (name, case, answer.status, answer.body)
    assert answer.status == status, about
    now = await stack.row(server_id)
    workflows = await stack.workflows(server_id)
    actions = await stack.actions(server_id)
    if status >= 400:
        assert words.replace("{id}", server_id) in answer.fault(), about
        assert (now["vm_state"], now["task_state"]) == (case.vm_state, case.task), about
        assert not workflows, about
        assert not actions, about
        return
    task = row.starts or (None if name in CLEARS_TASK else case.task)
    assert now["task_state"] == task, about
    assert [w["kind"] for w in workflows] == [row.workflow] * bool(row.workflow), about
    second_lock = name == "lock" and case.locked and case.user != "admin"
    assert actions == [row.records] * bool(row.records and not second_lock), about


def filled(stack: Stack, body: Any) -> Any:
    if isinstance(body, dict):
        return {key: filled(stack, value) for key, value in body.items()}
    return {IMAGE: stack.image, OTHER_FLAVOR: "2"}.get(body, body)


async def add_migration(stack: Stack, server_id: str, name: str, case: Case) -> int:
    """The migration that the action is about."""
    live = name in {"abort", "force_complete"}
    number: int = await stack.pool.fetchval(
        "insert into migrations (uuid, server_uuid, migration_type, status, source_compute, "
        "source_node, source_generation, dest_compute) values "
        "(gen_random_uuid(), $1::uuid, $2, $3, 'up', 'up', 1, 'down') returning id",
        server_id,
        "live-migration" if live else "resize",
        "running" if live else "finished" if case.vm_state == "resized" else "confirmed",
    )
    return number


def a_task(row: Row) -> str | None:
    """A task_state the action is allowed in."""
    return None if row.tasks is None else next(iter(row.tasks - HARD_REBOOTS))


async def attempt_all(stack: Stack, name: str, cases: Iterable[Case]) -> None:
    """A few at a time, as clients come."""
    row, waiting = TABLE[name], list(cases)
    assert waiting

    async def work() -> None:
        while waiting:
            await attempt(stack, name, row, waiting.pop())

    await asyncio.gather(*(work() for _ in range(8)))


@pytest.mark.parametrize("name", TABLE)
async def test_every_vm_state_lock_and_role(stack: Stack, name: str) -> None:
    task = a_task(TABLE[name])
    for user in ROLES:
        cases = itertools.product(VM_STATES, [task], [None, "owner", "admin"], [user])
        await attempt_all(stack, name, itertools.starmap(Case, cases))


@pytest.mark.parametrize("name", TABLE)
async def test_every_task_state(stack: Stack, name: str) -> None:
    vm_state = next(iter(allowed_states(TABLE[name])))
    for user in ("demo", "admin"):
        if ROLES[user] >= NEEDS[TABLE[name].role]:
            tasks = (None, *TASK_STATES)
            await attempt_all(stack, name, (Case(vm_state, task, user=user) for task in tasks))


@pytest.mark.parametrize("name", [name for name in TABLE if "host" in TABLE[name].checks])
async def test_no_host_and_a_dead_host(stack: Stack, name: str) -> None:
    cases = itertools.product(VM_STATES, [None], [None, "owner"], ["demo", "admin"], [None, "down"])
    await attempt_all(stack, name, itertools.starmap(Case, cases))


@pytest.mark.parametrize("name", TABLE)
async def test_what_never_ran(stack: Stack, name: str) -> None:
    row = TABLE[name]
    cases = (Case(state, a_task(row), launched=False) for state in allowed_states(row))
    await attempt_all(stack, name, cases)
