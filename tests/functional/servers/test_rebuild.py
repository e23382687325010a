"""Rebuild: what it changes, what it answers at each microversion, what it refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.domain.guest_data.secrets import GuestSecrets
from tests.functional.servers.conftest import Stack, given
from tests.support.wait import wait_for

UUID = "11111111-2222-3333-4444-555555555555"
PASSWORD = "s3cret-of-rebuild"


@pytest.fixture(scope="module", autouse=True)
async def hosts(stack: Stack) -> None:
    await stack.add_host("up")


@pytest.fixture(scope="module")
async def other_image(stack: Stack) -> str:
    """An active image that is not the one servers were made of."""
    return await stack.new_image(name="other", os_type="linux", min_ram=256)


async def rebuild(
    stack: Stack, v: int = 104, *, user: str = "demo", row: dict[str, Any] | None = None,
    **fields: Any,
) -> tuple[str, Any]:  # fmt: skip
    server_id = await stack.server(host="up", node="up", image_ref=stack.image, **(row or {}))
    body = {"rebuild": {"imageRef": stack.image, **fields}}
    return server_id, await stack.action(server_id, body, user=user, v=v)


async def test_what_is_mentioned_changes_and_the_rest_stays(stack: Stack, other_image: str) -> None:
    kept = {
        "description": "d",
        "user_data": "dQ==",
        "access_ip_v6": "::1",
        "auto_disk_config": True,
    }
    server_id, answer = await rebuild(
        stack, row=kept, imageRef=other_image, name="new", metadata={"a": "b"},
        accessIPv4="10.1.1.1", hostname="host.example", adminPass=PASSWORD,
    )  # fmt: skip
    assert answer.status == 202, answer.body
    assert answer.headers["Location"].endswith(f"/v2.1/servers/{server_id}")
    row = await stack.row(server_id)
    assert {name: row[name] for name in kept} == kept
    assert (row["name"], row["hostname"], row["metadata"]) == ("new", "host.example", {"a": "b"})
    assert (row["image_ref"], row["access_ip_v4"]) == (other_image, "10.1.1.1")
    assert row["image_properties"] == {"os_type": "linux"}
    assert row["task_state"] == "rebuilding"
    (workflow,) = await stack.workflows(server_id)
    assert (workflow["kind"], given(workflow)) == ("rebuild", ({}, GuestSecrets(PASSWORD)))
    server = answer.body["server"]
    assert (server["name"], server["status"], server["adminPass"]) == ("new", "REBUILD", PASSWORD)
    assert server["image"]["id"] == other_image


async def test_a_password_is_made_and_kept_nowhere(stack: Stack) -> None:
    server_id, answer = await rebuild(stack)
    password = answer.body["server"]["adminPass"]
    assert len(password) == 12
    for table in ("servers", "workflows", "instance_actions"):
        rows = await stack.pool.fetch(f"select t::text as row from {table} t")
        assert not any(password in row["row"] for row in rows)
    assert "adminPass" not in await stack.show(server_id)


@pytest.mark.parametrize(
    ("since", "field", "value", "column"),
    [
        (19, "description", None, "description"),
        (54, "key_name", None, "key_name"),
        (57, "user_data", None, "user_data"),
        (63, "trusted_image_certificates", ["c1"], "trusted_certs"),
        (63, "trusted_image_certificates", None, "trusted_certs"),
        (90, "hostname", "aa", "hostname"),
    ],
)
async def test_fields_have_a_first_version(
    stack: Stack, since: int, field: str, value: Any, column: str
) -> None:
    before = {"description": "d", "key_name": "k", "user_data": "dQ==", "trusted_certs": ["c0"]}
    server_id, answer = await rebuild(stack, since - 1, row=before, **{field: value})
    assert answer.status == 400
    assert f"'{field}' was unexpected" in answer.fault()
    assert (await stack.row(server_id))["task_state"] is None
    server_id, answer = await rebuild(stack, since, row=before, **{field: value})
    assert answer.status == 202, answer.body
    assert (await stack.row(server_id))[column] == value


async def test_files_end_with_2_56(stack: Stack) -> None:
    files = [{"path": "/a", "contents": "YQ=="}]
    assert (await rebuild(stack, 56, personality=files))[1].status == 202
    assert (await rebuild(stack, 56, personality=files * 6))[1].status == 403
    assert (await rebuild(stack, 57, personality=files))[1].status == 400


ALWAYS = {
    "id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor",
    "created", "updated", "accessIPv4", "accessIPv6", "links", "OS-DCF:diskConfig", "progress",
    "adminPass", "addresses",
}  # fmt: skip
ADDED = {
    9: {"locked"}, 19: {"description"}, 26: {"tags"}, 54: {"key_name"}, 57: {"user_data"},
    63: {"trusted_image_certificates"}, 71: {"server_groups"}, 73: {"locked_reason"},
    75: {
        "config_drive", "os-extended-volumes:volumes_attached", "OS-EXT-AZ:availability_zone",
        "OS-EXT-STS:power_state", "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state",
        "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at",
    },
    90: {"OS-EXT-SRV-ATTR:hostname"}, 96: {"pinned_availability_zone"}, 100: {"scheduler_hints"},
}  # fmt: skip


@pytest.mark.parametrize("v", [1, 8, 9, 18, 19, 26, 47, 53, 54, 57, 63, 71, 73, 75, 90, 96, 104])
async def test_the_answer_of_each_version(stack: Stack, v: int) -> None:
    _, answer = await rebuild(stack, v)
    expected = set(ALWAYS)
    for since, fields in ADDED.items():
        expected |= fields if v >= since else set()
    assert set(answer.body["server"]) == expected


async def test_administrators_see_more_but_not_user_data_twice(stack: Stack) -> None:
    _, answer = await rebuild(stack, user="admin", row={"user_data": "dQ=="})
    server = answer.body["server"]
    assert (server["OS-EXT-SRV-ATTR:host"], server["host_status"]) == ("up", "UP")
    assert server["user_data"] == "dQ=="
    assert "OS-EXT-SRV-ATTR:user_data" not in server


async def test_the_key_is_the_callers(stack: Stack) -> None:
    public_key = (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0i0uGZIeaJm5sXuMO3kSxkPh5LkQ1C0m6V2Qe5Ew1b x"
    )
    body = {"keypair": {"name": "k1", "public_key": public_key}}
    assert (await stack.call("POST", "/os-keypairs", body, user="demo")).status == 201
    server_id, answer = await rebuild(stack, key_name="k1")
    assert answer.body["server"]["key_name"] == "k1"
    assert (await stack.row(server_id))["key_data"] == public_key
    _, answer = await rebuild(stack, user="admin", key_name="k1")
    assert (answer.status, answer.fault()) == (400, "Invalid key_name provided.")


async def test_refusals_leave_the_server_alone(stack: Stack) -> None:
    queued = await stack.neighbour(
        "image", "/v2/images", method="POST", body={"name": "q", "visibility": "public"}
    )
    heavy = await stack.new_image(name="heavy", min_ram=100_000)
    wide = await stack.new_image(name="wide", min_disk=500)
    cases: list[tuple[dict[str, Any], dict[str, Any], int, str]] = [
        ({}, {"imageRef": UUID}, 400, "Can not find requested image"),
        ({}, {"imageRef": "x"}, 400, "Invalid input for field/attribute imageRef"),
        ({}, {"imageRef": queued["id"]}, 400, "is not active"),
        ({}, {"imageRef": heavy}, 400, "memory is too small"),
        ({}, {"imageRef": wide}, 400, "disk is smaller than the minimum"),
        ({}, {"metadata": {str(n): "" for n in range(129)}}, 403, "exceeds 128"),
        ({}, {"name": " "}, 400, "name"),
        ({}, {"colour": 1}, 400, "'colour' was unexpected"),
        ({"ephemeral_gib": 1}, {"preserve_ephemeral": True}, 400, "preserve_ephemeral"),
    ]
    for row, fields, status, words in cases:
        server_id, answer = await rebuild(stack, row=row, **fields)
        assert answer.status == status, (fields, answer.body)
        assert words in answer.fault()
        assert (await stack.row(server_id))["task_state"] is None
        assert not await stack.workflows(server_id)
        assert not await stack.actions(server_id)
    _, answer = await rebuild(stack, preserve_ephemeral="true")
    assert answer.status == 202, "there is nothing to preserve"


async def test_disk_config(stack: Stack) -> None:
    for asked in ("AUTO", "MANUAL"):
        fields: dict[str, Any] = {"OS-DCF:diskConfig": asked}
        server_id, answer = await rebuild(stack, **fields)
        assert answer.body["server"]["OS-DCF:diskConfig"] == asked
        assert (await stack.row(server_id))["auto_disk_config"] is (asked == "AUTO")


async def test_a_lost_race_writes_nothing(stack: Stack) -> None:
    """The columns are part of the one guarded statement."""
    server_id = await stack.server(host="up", node="up", image_ref=stack.image)
    lock = "select * from servers where uuid = $1::uuid for update"
    async with stack.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(lock, server_id)
        body = {"rebuild": {"imageRef": stack.image, "name": "too late"}}
        asking = asyncio.ensure_future(stack.action(server_id, body))
        await wait_for(lambda: blocked(stack))
        await connection.execute(
            "update servers set task_state = 'powering-off' where uuid = $1::uuid", server_id
        )
        await transaction.commit()
    answer = await asking
    assert answer.status == 409
    assert "while it is in task_state powering-off" in answer.fault()
    row = await stack.row(server_id)
    assert (row["name"], row["task_state"]) == ("s", "powering-off")
    assert not await stack.workflows(server_id)


async def blocked(stack: Stack) -> bool:
    query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    return bool(await stack.pool.fetchval(query))
