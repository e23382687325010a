"""Actions: the table of states holds over HTTP, and what an accepted action leaves behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.domain.actions import (
    EVACUATE,
    REBOOT_HARD,
    REBOOT_SOFT,
    START,
    STOP,
    Action,
)
from common.domain.guest_data.secrets import GuestSecrets
from common.domain.states import TaskState, VmState
from common.messages.workflow import CancelWorkflow, RunWorkflow
from tests.functional.servers.conftest import Stack, given
from tests.support.wait import wait_for

BODIES: dict[str, tuple[Action, dict[str, Any]]] = {
    "start": (START, {"os-start": None}),
    "stop": (STOP, {"os-stop": None}),
    "soft": (REBOOT_SOFT, {"reboot": {"type": "soft"}}),
    "hard": (REBOOT_HARD, {"reboot": {"type": "HARD"}}),
    "evacuate": (EVACUATE, {"evacuate": {}}),
}
SUCCESS = {"evacuate": 200}


@pytest.fixture(scope="module", autouse=True)
async def hosts(stack: Stack) -> None:
    await stack.add_host("up")
    await stack.add_host("down", fresh=False)
    await stack.add_host("fenced", forced_down=True)


def host_for(name: str) -> str:
    return "fenced" if name == "evacuate" else "up"


@pytest.mark.parametrize("name", BODIES)
async def test_every_vm_state(stack: Stack, name: str) -> None:
    row, body = BODIES[name]
    for vm_state in sorted(set(VmState) - {VmState.DELETED}):
        server_id = await stack.server(vm_state=vm_state, host=host_for(name))
        answer = await stack.action(server_id, body, user="admin")
        if vm_state in row.vm_states:
            assert answer.status == SUCCESS.get(name, 202), (vm_state, answer.body)
            assert (await stack.row(server_id))["task_state"] == row.starts
            (workflow,) = await stack.workflows(server_id)
            assert workflow["kind"] == row.workflow
            assert await stack.actions(server_id) == [row.records]
            await wait_for(lambda w=workflow: w["id"] in told(stack))
        else:
            assert answer.status == 409
            assert answer.fault() == (
                f"Cannot '{row.word}' instance {server_id} while it is in vm_state {vm_state}"
            )
            assert not await stack.workflows(server_id)
            assert not await stack.actions(server_id)


def told(stack: Stack) -> set[int]:
    return {m.workflow_id for m in stack.heard if isinstance(m, RunWorkflow)}


@pytest.mark.parametrize("name", BODIES)
async def test_every_task_state(stack: Stack, name: str) -> None:
    row, body = BODIES[name]
    vm_state = min(row.vm_states)
    for task_state in TaskState:
        server_id = await stack.server(
            vm_state=vm_state, task_state=task_state, host=host_for(name)
        )
        answer = await stack.action(server_id, body, user="admin")
        if row.task_states is None or task_state in row.task_states:
            assert answer.status == SUCCESS.get(name, 202), (task_state, answer.body)
        else:
            assert answer.status == 409
            assert answer.fault() == (
                f"Cannot '{row.word}' instance {server_id} while it is in task_state {task_state}"
            )


async def test_the_kind_of_reboot_is_the_workflows_input(stack: Stack) -> None:
    for kind in ("soft", "Hard"):
        server_id = await stack.server(host="up")
        assert (await stack.action(server_id, {"reboot": {"type": kind}})).status == 202
        (workflow,) = await stack.workflows(server_id)
        assert workflow["state"] == {"type": kind.upper()}


async def test_lock_comes_before_host_and_host_before_state(stack: Stack) -> None:
    server_id = await stack.server(vm_state="paused", locked_by="owner")
    answer = await stack.action(server_id, {"os-stop": None})
    assert (answer.status, answer.fault()) == (409, f"Instance {server_id} is locked")
    answer = await stack.action(server_id, {"os-stop": None}, user="admin")
    assert (answer.status, answer.fault()) == (409, f"Instance {server_id} is not ready")


async def test_a_server_that_never_ran_is_in_an_invalid_state(stack: Stack) -> None:
    server_id = await stack.server(vm_state="error", launched_at=None, host="up")
    answer = await stack.action(server_id, {"os-stop": None})
    assert answer.status == 409
    assert answer.fault() == f"Instance {server_id} is in an invalid state for 'stop'"


@pytest.mark.parametrize("user", ["other", "reader"])
async def test_whose_server_it_is(stack: Stack, user: str) -> None:
    server_id = await stack.server(host="up")
    answer = await stack.action(server_id, {"os-stop": None}, user=user)
    if user == "other":
        assert answer.status == 404
        assert answer.fault() == f"Instance {server_id} could not be found."
    else:
        assert answer.status == 403
        assert "os_compute_api:servers:stop" in answer.fault()


@pytest.mark.parametrize("server_id", ["nonsense", "0c0ffee0-0000-4000-8000-000000000000"])
async def test_unknown_servers(stack: Stack, server_id: str) -> None:
    answer = await stack.action(server_id, {"os-stop": None})
    assert (answer.status, answer.fault()) == (404, f"Instance {server_id} could not be found.")


async def test_of_many_at_once_one_wins(stack: Stack) -> None:
    server_id = await stack.server(host="up")
    answers = await asyncio.gather(*(stack.action(server_id, {"os-stop": None}) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [202] + [409] * 7
    lost = next(answer for answer in answers if answer.status == 409)
    assert "while it is in task_state powering-off" in lost.fault()
    assert len(await stack.workflows(server_id)) == 1
    assert await stack.actions(server_id) == ["stop"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"reboot": {"type": "warm"}}, "Invalid input for field/attribute type"),
        ({"reboot": {}}, "'type' is a required property"),
        ({"reboot": None}, "reboot"),
        ({"os-resetState": {"state": "paused"}}, "Invalid input for field/attribute state"),
        ({"os-start": None, "os-stop": None}, "Malformed request body"),
        ({"fly": None}, "There is no such action: fly"),
    ],
)
async def test_bad_bodies(stack: Stack, body: dict[str, Any], words: str) -> None:
    server_id = await stack.server(host="up")
    answer = await stack.action(server_id, body, user="admin")
    assert answer.status == 400
    assert words in answer.fault()
    assert not await stack.workflows(server_id)


class TestDelete:
    async def test_overtakes_what_runs(self, stack: Stack) -> None:
        server_id = await stack.created()
        answer = await stack.call("DELETE", f"/servers/{server_id}", user="demo")
        assert answer.status == 204
        build, delete = await stack.workflows(server_id)
        assert (build["kind"], build["cancel_requested"]) == ("build", True)
        assert (delete["kind"], delete["cancel_requested"]) == ("delete", False)
        row = await stack.row(server_id)
        assert (row["vm_state"], row["task_state"]) == ("building", "deleting")
        assert await stack.actions(server_id) == ["create", "delete"]
        cancel = CancelWorkflow(
            request_id=answer.headers["x-openstack-request-id"], server_uuid=server_id
        )
        await wait_for(lambda: cancel in stack.heard and delete["id"] in told(stack))

    async def test_again_adds_nothing_until_the_first_is_over(self, stack: Stack) -> None:
        server_id = await stack.server(host="up")
        path = f"/servers/{server_id}"
        answers = await asyncio.gather(*(stack.call("DELETE", path, user="demo") for _ in range(4)))
        assert {answer.status for answer in answers} == {204}
        (delete,) = await stack.workflows(server_id)
        assert not delete["cancel_requested"]
        assert await stack.actions(server_id) == ["delete"]
        await stack.pool.execute("delete from workflows where id = $1", delete["id"])
        assert (await stack.call("DELETE", path, user="demo")).status == 204
        assert len(await stack.workflows(server_id)) == 1
        assert await stack.actions(server_id) == ["delete", "delete"]

    async def test_locked(self, stack: Stack) -> None:
        server_id = await stack.server(locked_by="owner")
        answer = await stack.call("DELETE", f"/servers/{server_id}", user="demo")
        assert (answer.status, answer.fault()) == (409, f"Instance {server_id} is locked")
        assert (await stack.call("DELETE", f"/servers/{server_id}")).status == 204

    async def test_what_is_gone_is_not_found(self, stack: Stack) -> None:
        server_id = await stack.server(vm_state="deleted")
        await stack.pool.execute(
            "update servers set deleted_at = now() where uuid = $1::uuid", server_id
        )
        assert (await stack.call("DELETE", f"/servers/{server_id}")).status == 404

    async def test_force_delete(self, stack: Stack) -> None:
        server_id = await stack.server(host="up", vm_state="soft-delete")
        assert (await stack.action(server_id, {"forceDelete": None})).status == 202
        (workflow,) = await stack.workflows(server_id)
        assert workflow["kind"] == "delete"


class TestResetState:
    async def test_overtakes_and_is_recorded(self, stack: Stack) -> None:
        server_id = await stack.server(host="up", locked_by="owner")
        assert (await stack.action(server_id, {"os-stop": None}, user="admin")).status == 202
        answer = await stack.action(server_id, {"os-resetState": {"state": "error"}}, user="admin")
        assert answer.status == 202
        row = await stack.row(server_id)
        assert (row["vm_state"], row["task_state"]) == ("error", None)
        (stop,) = await stack.workflows(server_id)
        assert stop["cancel_requested"]
        assert await stack.actions(server_id) == ["stop", "resetState"]
        await wait_for(
            lambda: any(
                isinstance(m, CancelWorkflow) and m.server_uuid == server_id for m in stack.heard
            )
        )

    async def test_is_for_administrators(self, stack: Stack) -> None:
        server_id = await stack.server()
        answer = await stack.action(server_id, {"os-resetState": {"state": "active"}})
        assert answer.status == 403


class TestLock:
    async def test_owner_and_administrator(self, stack: Stack) -> None:
        server_id = await stack.server(host="up")
        lock = {"lock": {"locked_reason": "mine"}}
        assert (await stack.action(server_id, lock)).status == 202
        shown = await stack.show(server_id)
        assert (shown["locked"], shown["locked_reason"]) == (True, "mine")
        assert (await stack.row(server_id))["locked_by"] == "owner"
        assert (await stack.action(server_id, {"os-stop": None})).status == 409
        assert (await stack.action(server_id, {"lock": None}, user="admin")).status == 202
        assert (await stack.row(server_id))["locked_by"] == "admin"
        assert (await stack.action(server_id, {"unlock": None})).status == 403
        assert (await stack.action(server_id, {"unlock": None}, user="admin")).status == 202
        assert (await stack.action(server_id, {"os-stop": None})).status == 202
        assert await stack.actions(server_id) == ["lock", "lock", "unlock", "stop"]

    async def test_reason_from_2_73(self, stack: Stack) -> None:
        server_id = await stack.server()
        answer = await stack.action(server_id, {"lock": {"locked_reason": ""}}, v=73)
        assert answer.status == 400
        assert (await stack.action(server_id, {"lock": {"any": 1}}, v=72)).status == 202
        assert "locked_reason" not in await stack.show(server_id, v=72)
        assert "locked" not in await stack.show(server_id, v=8)


class TestEvacuate:
    async def evacuate(
        self, stack: Stack, v: int = 104, *, source: str = "fenced", **fields: Any
    ) -> tuple[str, Any]:
        server_id = await stack.server(host=source, node=source, generation=3)
        return server_id, await stack.action(server_id, {"evacuate": fields}, user="admin", v=v)

    @pytest.mark.parametrize(
        ("v", "fields", "force", "stay_stopped"),
        [
            (1, {"onSharedStorage": "False", "host": "up"}, True, False),
            (28, {"host": "up"}, True, False),
            (29, {"host": "up"}, False, False),
            (67, {"host": "up", "force": True}, True, False),
            (68, {"host": "up"}, False, False),
            (95, {}, False, True),
        ],
    )
    async def test_meaning_of_host_and_force(
        self, stack: Stack, v: int, fields: dict[str, Any], force: bool, stay_stopped: bool
    ) -> None:
        server_id, answer = await self.evacuate(stack, v, **fields)
        assert answer.status == 200, answer.body
        (workflow,) = await stack.workflows(server_id)
        migration = await stack.pool.fetchrow(
            "select * from migrations where server_uuid = $1::uuid", server_id
        )
        state, _ = given(workflow)
        assert state == {
            "host": fields.get("host"),
            "force": force,
            "migration_uuid": str(migration["uuid"]),
            "stay_stopped": stay_stopped,
        }
        assert (migration["migration_type"], migration["status"]) == ("evacuation", "accepted")
        assert (migration["source_compute"], migration["source_generation"]) == ("fenced", 3)
        assert migration["dest_compute"] == fields.get("host")
        assert (await stack.show(server_id))["status"] == "REBUILD"

    @pytest.mark.parametrize(
        ("v", "fields"),
        [(13, {"onSharedStorage": False}), (14, {}), (104, {})],
    )
    async def test_its_password_is_the_guests(
        self, stack: Stack, v: int, fields: dict[str, Any]
    ) -> None:
        server_id, answer = await self.evacuate(stack, v, **fields, adminPass="pw")
        assert answer.status == 200, answer.body
        (workflow,) = await stack.workflows(server_id)
        assert given(workflow)[1] == GuestSecrets("pw")

    async def test_what_nobody_could_know_is_not_made_up(self, stack: Stack) -> None:
        asked: list[tuple[int, dict[str, Any]]] = [(13, {"onSharedStorage": True}), (14, {})]
        for v, fields in asked:
            server_id, _ = await self.evacuate(stack, v, **fields)
            (workflow,) = await stack.workflows(server_id)
            assert given(workflow)[1] == GuestSecrets()

    async def test_password_in_the_answer_below_2_14(self, stack: Stack) -> None:
        _, answer = await self.evacuate(stack, 13, onSharedStorage=False, adminPass="pw")
        assert answer.body == {"adminPass": "pw"}
        _, answer = await self.evacuate(stack, 13, onSharedStorage=False)
        assert len(answer.body["adminPass"]) == 12
        _, answer = await self.evacuate(stack, 13, onSharedStorage=True)
        assert answer.body == {"adminPass": None}
        _, answer = await self.evacuate(stack, 14, adminPass="pw")
        assert answer.body == b""

    @pytest.mark.parametrize(
        ("v", "source", "fields", "words"),
        [
            (104, "up", {}, "Compute service of up is still in use."),
            (104, "down", {}, "is silent but not declared down"),
            (104, "fenced", {"host": "fenced"}, "The target host can't be the same one."),
            (29, "down", {"force": True}, "Can't force to a non-provided destination"),
            (68, "down", {"host": "up", "force": True}, "'force' was unexpected"),
            (13, "down", {}, "'onSharedStorage' is a required property"),
            (13, "down", {"onSharedStorage": True, "adminPass": "x"}, "can't be changed"),
        ],
    )
    async def test_refused(
        self, stack: Stack, v: int, source: str, fields: dict[str, Any], words: str
    ) -> None:
        server_id, answer = await self.evacuate(stack, v, source=source, **fields)
        assert answer.status == 400
        assert words in answer.fault()
        assert not await stack.workflows(server_id)
        assert (await stack.row(server_id))["task_state"] is None

    async def test_a_host_that_is_forced_down_is_down_at_once(self, stack: Stack) -> None:
        await stack.add_host("another")
        server_id, answer = await self.evacuate(stack, source="another")
        assert answer.status == 400
        await stack.pool.execute("update services set forced_down = true where host = 'another'")
        answer = await stack.action(server_id, {"evacuate": {}}, user="admin")
        assert answer.status == 200

    async def test_to_an_unknown_host(self, stack: Stack) -> None:
        server_id, answer = await self.evacuate(stack, host="nowhere")
        assert (answer.status, answer.fault()) == (404, "Compute host nowhere not found.")
        assert not await stack.workflows(server_id)

    async def test_is_for_administrators(self, stack: Stack) -> None:
        server_id = await stack.server(host="down")
        assert (await stack.action(server_id, {"evacuate": {}})).status == 403
