"""Asking for consoles: who gets which, in which version, and what the address looks like."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.functional.consoles.conftest import Consoles

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
ADDRESS = r"127\.0\.0\.1:\d+"


@pytest.mark.parametrize(
    ("protocol", "type_name", "form"),
    [
        ("vnc", "novnc", rf"http://{ADDRESS}/vnc_auto\.html\?path=%3Ftoken%3D{UUID}"),
        ("spice", "spice-html5", rf"http://{ADDRESS}/spice_auto\.html\?token={UUID}"),
        ("spice", "spice-direct", rf"http://127\.0\.0\.1:13002/nova\?token={UUID}"),
        ("serial", "serial", rf"ws://{ADDRESS}/\?token={UUID}"),
    ],
)
async def test_addresses(
    consoles: Consoles, server_id: str, protocol: str, type_name: str, form: str
) -> None:
    status, body = await consoles.ask(server_id, protocol, type_name)
    assert status == 200, body
    console = body["remote_console"]
    assert (console["protocol"], console["type"]) == (protocol, type_name)
    assert re.fullmatch(form, console["url"])
    assert console["url"] != await consoles.url(server_id, protocol, type_name), "each its own"


@pytest.mark.parametrize(
    ("action", "type_name"),
    [
        ("os-getVNCConsole", "novnc"),
        ("os-getSPICEConsole", "spice-html5"),
        ("os-getSerialConsole", "serial"),
    ],
)
async def test_actions_of_old_versions(
    consoles: Consoles, server_id: str, action: str, type_name: str
) -> None:
    for version in ("2.1", "2.5"):
        status, body = await consoles.act(server_id, action, type_name, version=version)
        assert status == 200, body
        assert body["console"].keys() == {"type", "url"}
        assert body["console"]["type"] == type_name
        assert "token" in body["console"]["url"]
    assert (await consoles.act(server_id, action, type_name, version="2.6"))[0] == 404


async def test_rdp_is_no_more(consoles: Consoles, server_id: str) -> None:
    status, body = await consoles.act(server_id, "os-getRDPConsole", "rdp-html5")
    assert (status, body["badRequest"]["code"]) == (400, 400)
    status, _ = await consoles.act(server_id, "os-getRDPConsole", "rdp-html5", version="2.6")
    assert status == 404


@pytest.mark.parametrize(
    ("wanted", "version", "message"),
    [
        (("rdp", "rdp-html5"), "2.6", "Unavailable console type rdp-html5."),
        (("mks", "webmks"), "2.8", "Unavailable console type webmks."),
        (("vnc", "xvpvnc"), "2.6", "Unavailable console type xvpvnc."),
        (("vnc", "serial"), "2.6", "Invalid console type serial"),
        (("mks", "webmks"), "2.7", "'webmks' is not one of"),
        (("spice", "spice-direct"), "2.98", "'spice-direct' is not one of"),
        (("vnc", "nothing"), "2.104", "'nothing' is not one of"),
    ],
)
async def test_what_is_not_to_be_had(
    consoles: Consoles, server_id: str, wanted: tuple[str, str], version: str, message: str
) -> None:
    status, body = await consoles.ask(server_id, *wanted, version=version)
    assert status == 400
    assert message in body["badRequest"]["message"]


async def test_the_resource_begins_at_2_6(consoles: Consoles, server_id: str) -> None:
    assert (await consoles.ask(server_id, version="2.5"))[0] == 404
    assert (await consoles.ask(server_id, version="2.6"))[0] == 200


async def test_consoles_of_others(consoles: Consoles, server_id: str) -> None:
    assert (await consoles.ask(server_id, user="demo"))[0] == 404
    assert (await consoles.ask("11111111-2222-3333-4444-555555555555"))[0] == 404


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("host = null", "is not ready"),
        (
            "task_state = 'deleting'",
            "Cannot 'get_vnc_console' instance {} while it is in task_state deleting",
        ),
        ("task_state = 'migrating'", "while it is in task_state migrating"),
    ],
)
async def test_states_that_have_no_console(
    consoles: Consoles, server_id: str, columns: str, message: str
) -> None:
    pool = consoles.cluster.pool
    before = await consoles.cluster.row(server_id)
    await pool.execute(f"update servers set {columns} where uuid = $1::uuid", server_id)
    try:
        status, body = await consoles.ask(server_id)
    finally:
        await pool.execute(
            "update servers set host = $2, task_state = $3 where uuid = $1::uuid",
            server_id,
            before["host"],
            before["task_state"],
        )
    assert status == 409
    assert message.format(server_id) in body["conflictingRequest"]["message"]


async def test_a_server_whose_guest_is_not_there_is_not_ready(
    consoles: Consoles, server_id: str
) -> None:
    pool = consoles.cluster.pool
    change = "update servers set generation = generation + $2 where uuid = $1::uuid"
    await pool.execute(change, server_id, 1)
    try:
        status, body = await consoles.ask(server_id)
    finally:
        await pool.execute(change, server_id, -1)
    assert (status, body["conflictingRequest"]["message"]) == (
        409,
        f"Instance {server_id} is not ready",
    )


class TestTokens:
    """os-console-auth-tokens: where a token leads, for proxies of others."""

    async def show(
        self, consoles: Consoles, token: str, *, user: str = "admin", version: str = "2.104"
    ) -> tuple[int, Any]:
        path = f"/os-console-auth-tokens/{token}"
        return await consoles.cluster.request("GET", path, user=user, version=version)

    async def token(self, consoles: Consoles, server_id: str, *console: str) -> str:
        return (await consoles.url(server_id, *console))[-36:]

    async def test_fields(self, consoles: Consoles, server_id: str) -> None:
        token = await self.token(consoles, server_id, "serial", "serial")
        for version, more in (("2.31", set[str]()), ("2.98", set[str]()), ("2.99", {"tls_port"})):
            status, body = await self.show(consoles, token, version=version)
            assert status == 200, body
            console = body["console"]
            names = {"instance_uuid", "host", "port", "internal_access_path"}
            assert console.keys() == names | more
            assert console["instance_uuid"] == server_id
            assert re.fullmatch(UUID, console["internal_access_path"])

    async def test_native_spice_has_a_port_of_its_own(
        self, consoles: Consoles, server_id: str
    ) -> None:
        token = await self.token(consoles, server_id, "spice", "spice-direct")
        _, body = await self.show(consoles, token)
        assert body["console"]["internal_access_path"] is None
        assert body["console"]["tls_port"] is None

    async def test_refusals(self, consoles: Consoles, server_id: str) -> None:
        token = await self.token(consoles, server_id)
        assert (await self.show(consoles, token, version="2.30"))[0] == 400
        assert (await self.show(consoles, token, user="demo"))[0] == 403
        assert (await self.show(consoles, "x" * 36))[0] == 404
        assert (await self.show(consoles, f"{token}?x=1", version="2.98"))[0] == 200
        assert (await self.show(consoles, f"{token}?x=1", version="2.99"))[0] == 400
