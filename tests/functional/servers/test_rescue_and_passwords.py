"""Rescue, passwords, consoles, diagnostics: arguments, answers, and what must not be kept."""

from __future__ import annotations

from typing import Any

import pytest

from common.auth.sealing import unseal
from common.bus.memory import MemoryBus
from common.bus.port import Delivery
from common.bus.topology import host_queue
from common.domain.guest_data.secrets import GuestSecrets
from common.messages.compute import ErrorBody, HostCommand, HostReply
from tests.functional.servers.conftest import Stack, given

SECRET = "correct-horse-battery-staple"
UNKNOWN = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"bus": {"call_timeout_s": 0.2}, "metadata": {"force_config_drive": True}}


@pytest.fixture(scope="module", autouse=True)
async def hosts(stack: Stack) -> None:
    await stack.add_host("up")
    await stack.add_host("down", fresh=False)
    await stack.add_host("deaf")


class TestRescue:
    @pytest.mark.parametrize(
        ("argument", "image", "password"),
        [
            (None, None, None),
            ({}, None, None),
            ({"adminPass": "pw"}, None, "pw"),
            ({"rescue_image_ref": "<image>"}, "<image>", None),
        ],
    )
    async def test_arguments(
        self, stack: Stack, argument: Any, image: str | None, password: str | None
    ) -> None:
        if image:
            argument, image = {"rescue_image_ref": stack.image}, stack.image
        server_id = await stack.server(host="up")
        answer = await stack.action(server_id, {"rescue": argument})
        assert answer.status == 200
        assert set(answer.body) == {"adminPass"}
        if password:
            assert answer.body["adminPass"] == password
        else:
            assert len(answer.body["adminPass"]) == 12
        (workflow,) = await stack.workflows(server_id)
        state, secrets = given(workflow)
        assert (workflow["kind"], state) == ("rescue", {"image_id": image})
        assert secrets == GuestSecrets(answer.body["adminPass"])

    async def test_images_it_refuses(self, stack: Stack) -> None:
        body = {"name": "q", "visibility": "public"}
        queued = await stack.neighbour("image", "/v2/images", method="POST", body=body)
        server_id = await stack.server(host="up")
        for ref, words in [
            (UNKNOWN, "Can not find requested image"),
            (queued["id"], "is not active"),
            ("x", "Invalid input for field/attribute rescue_image_ref"),
            (None, "Invalid input for field/attribute rescue_image_ref"),
        ]:
            answer = await stack.action(server_id, {"rescue": {"rescue_image_ref": ref}})
            assert answer.status == 400, ref
            assert words in answer.fault()
        assert not await stack.workflows(server_id)

    async def test_unrescue_has_no_body(self, stack: Stack) -> None:
        server_id = await stack.server(host="up", vm_state="rescued")
        answer = await stack.action(server_id, {"unrescue": {"any": 1}})
        assert (answer.status, answer.body) == (202, b"")


async def test_an_operator_may_give_every_server_a_config_drive(stack: Stack) -> None:
    server_id = await stack.created(config_drive=False)
    assert (await stack.row(server_id))["config_drive"] == "True"


class TestPasswords:
    async def test_a_new_one_is_sealed(
        self, stack: Stack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server_id = await stack.server(host="up")
        answer = await stack.action(server_id, {"changePassword": {"adminPass": SECRET}})
        assert (answer.status, answer.body) == (202, b"")
        (workflow,) = await stack.workflows(server_id)
        assert unseal(workflow["state"]["sealed_password"], "muster") == SECRET
        await self.assert_nowhere(stack)
        printed = capsys.readouterr()
        assert "changePassword" in printed.out + printed.err, "the request was logged"
        assert SECRET not in printed.out + printed.err

    async def assert_nowhere(self, stack: Stack) -> None:
        tables = await stack.pool.fetch(
            "select table_name from information_schema.tables where table_schema = 'public'"
        )
        for table in tables:
            name = table["table_name"]
            rows = await stack.pool.fetch(f"select t::text as row from {name} t")
            assert not any(SECRET in row["row"] for row in rows), name

    @pytest.mark.parametrize(
        ("argument", "words"),
        [
            ({}, "'adminPass' is a required property"),
            ({"adminPass": None}, "adminPass"),
            ({"adminPass": SECRET, "user": "root"}, "'user' was unexpected"),
        ],
    )
    async def test_bad_bodies(self, stack: Stack, argument: Any, words: str) -> None:
        server_id = await stack.server(host="up")
        answer = await stack.action(server_id, {"changePassword": argument})
        assert answer.status == 400
        assert words in answer.fault()

    async def test_the_guest_has_reported_none(self, stack: Stack) -> None:
        server_id = await stack.server()
        path = f"/servers/{server_id}/os-server-password"
        for v in (1, 104):
            answer = await stack.call("GET", path, user="reader", v=v)
            assert (answer.status, answer.body) == (200, {"password": ""})
            answer = await stack.call("DELETE", path, user="demo", v=v)
            assert (answer.status, answer.body) == (204, b"")
        assert (await stack.call("DELETE", path, user="reader")).status == 403
        assert (await stack.call("GET", path, user="other")).status == 404
        assert not await stack.actions(server_id)


class Host:
    """A host that answers what a test has prepared."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.asked: list[HostCommand] = []
        self.result: dict[str, Any] = {}
        self.error: ErrorBody | None = None

    async def answer(self, delivery: Delivery) -> None:
        command = delivery.message
        assert isinstance(command, HostCommand)
        self.asked.append(command)
        reply = HostReply(command_id=command.command_id, error=self.error, result=self.result)
        await self.bus.reply(delivery, reply)


@pytest.fixture(scope="module")
async def host(stack: Stack) -> Host:
    made = Host(stack.bus)
    await stack.bus.consume(host_queue("up"), made.answer, prefetch=10)
    return made


class TestConsole:
    @pytest.mark.parametrize(
        ("argument", "asked"),
        [({}, None), ({"length": None}, None), ({"length": -1}, None), ({"length": "-1"}, None),
         ({"length": 5}, 5), ({"length": "50"}, 50)],
    )  # fmt: skip
    async def test_length(self, stack: Stack, host: Host, argument: Any, asked: int | None) -> None:
        host.result, host.error = {"output": "a\nb"}, None
        server_id = await stack.server(host="up", generation=7, vm_state="paused")
        answer = await stack.action(server_id, {"os-getConsoleOutput": argument})
        assert (answer.status, answer.body) == (200, {"output": "a\nb"})
        command = host.asked[-1]
        assert (command.verb, command.params) == ("console_output", {"length": asked})
        assert (command.server_uuid, command.generation) == (server_id, 7)
        assert not await stack.actions(server_id)

    @pytest.mark.parametrize("argument", [{"length": -2}, {"length": "x"}, {"lines": 1}, None])
    async def test_bad_bodies(self, stack: Stack, argument: Any) -> None:
        server_id = await stack.server(host="up")
        answer = await stack.action(server_id, {"os-getConsoleOutput": argument})
        assert answer.status == 400

    async def test_what_the_host_says(self, stack: Stack, host: Host) -> None:
        server_id = await stack.server(host="up")
        host.error = ErrorBody(code="not_found", message="no such guest")
        answer = await stack.action(server_id, {"os-getConsoleOutput": {}})
        assert (answer.status, answer.fault()) == (404, "no such guest")

    @pytest.mark.parametrize("name", ["down", "deaf"])
    async def test_a_host_that_does_not_answer(self, stack: Stack, name: str) -> None:
        server_id = await stack.server(host=name)
        answer = await stack.action(server_id, {"os-getConsoleOutput": {}})
        assert answer.status == 503
        assert answer.fault().startswith(f"The host of instance {server_id} does not answer.")

    async def test_without_a_host(self, stack: Stack) -> None:
        server_id = await stack.server(locked_by="admin")
        answer = await stack.action(server_id, {"os-getConsoleOutput": {}})
        assert (answer.status, answer.fault()) == (409, f"Instance {server_id} is not ready")


class TestDiagnostics:
    async def test_both_forms(self, stack: Stack, host: Host) -> None:
        vif = {"port_id": UNKNOWN, "mac": "fa:16:3e:00:00:01", "fixed_ips": []}
        server_id = await stack.server(host="up", vcpus=2, swap_mib=1, network_info=[vif])
        host.result, host.error = {"power_state": 3}, None
        path = f"/servers/{server_id}/diagnostics"
        old = (await stack.call("GET", path, v=47)).body
        assert old == {"state": "paused", "vcpus": 2, "memory": 524288, "disks": 2, "nics": 1}
        new = (await stack.call("GET", path, v=48)).body
        assert (new["state"], new["num_cpus"], new["num_disks"]) == ("paused", 2, 2)
        assert [cpu["id"] for cpu in new["cpu_details"]] == [0, 1]
        assert [nic["mac_address"] for nic in new["nic_details"]] == ["fa:16:3e:00:00:01"]
        assert host.asked[-1].verb == "guest_info"

    async def test_refusals(self, stack: Stack) -> None:
        server_id = await stack.server()
        path = f"/servers/{server_id}/diagnostics"
        answer = await stack.call("GET", path)
        assert (answer.status, answer.fault()) == (409, f"Instance {server_id} is not ready")
        assert (await stack.call("GET", path, user="demo")).status == 403


async def test_crash_dumps_begin_with_2_17(stack: Stack) -> None:
    server_id = await stack.server(host="up")
    body: dict[str, Any] = {"trigger_crash_dump": None}
    assert (await stack.action(server_id, body, v=16)).status == 404
    assert (await stack.action(server_id, {"trigger_crash_dump": {}}, v=17)).status == 400
    assert (await stack.action(server_id, body, v=17)).status == 202


@pytest.mark.parametrize("v", [1, 104])
async def test_reset_network_is_gone(stack: Stack, v: int) -> None:
    answer = await stack.action(await stack.server(), {"resetNetwork": None}, v=v)
    assert answer.status == 410
    assert set(answer.body) == {"computeFault"}
