"""Shares of servers, of which there can be none, and their NUMA topology."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.functional.servers.conftest import FLAVOR, Stack

SHARE = str(uuid4())


async def shared(stack: Stack, server_id: str, **fields: Any) -> str:
    """A share on record."""
    share_id = str(uuid4())
    row = {"tag": share_id, "export_location": "10.0.0.50:/mnt/foo", "status": "inactive", **fields}
    await stack.pool.execute(
        "insert into server_shares (uuid, server_uuid, share_id, tag, export_location, status)"
        " values (gen_random_uuid(), $1::uuid, $2::uuid, $3, $4, $5)",
        server_id, share_id, row["tag"], row["export_location"], row["status"],
    )  # fmt: skip
    return share_id


class TestShares:
    async def test_there_are_none(self, stack: Stack) -> None:
        server_id = await stack.server()
        path = f"/servers/{server_id}/shares"
        answer = await stack.call("GET", path, user="reader", v=97)
        assert (answer.status, answer.body) == (200, {"shares": []})
        assert (await stack.call("GET", path, v=96)).status == 404
        assert (await stack.call("GET", f"{path}?x=1", v=97)).status == 400
        assert (await stack.call("GET", path, user="other", v=97)).status == 404
        assert (await stack.call("GET", f"{path}/{SHARE}", v=97)).status == 404

    async def test_none_can_be_attached(self, stack: Stack) -> None:
        server_id = await stack.server(vm_state="stopped")
        path = f"/servers/{server_id}/shares"
        body = {"share": {"share_id": SHARE, "tag": "mine"}}
        answer = await stack.call("POST", path, body, v=97)
        assert answer.status == 404
        assert answer.fault() == (
            f"Share {SHARE} could not be found: this cloud has no shared file system service."
        )
        assert (await stack.call("POST", path, body, user="reader", v=97)).status == 403
        held = await shared(stack, server_id)
        body = {"share": {"share_id": held.upper()}}
        answer = await stack.call("POST", path, body, v=97)
        assert answer.status == 409
        assert "already attached" in answer.fault()

    @pytest.mark.parametrize(
        "share",
        [
            {}, None, {"share_id": "x"}, {"share_id": SHARE, "tag": "a b"},
            {"share_id": SHARE, "tag": ""}, {"share_id": SHARE, "mode": "ro"},
        ],
    )  # fmt: skip
    async def test_bad_bodies(self, stack: Stack, share: Any) -> None:
        server_id = await stack.server(vm_state="stopped")
        path = f"/servers/{server_id}/shares"
        assert (await stack.call("POST", path, {"share": share}, v=97)).status == 400

    @pytest.mark.parametrize(
        ("state", "attach", "detach"),
        [("active", 409, 409), ("stopped", 404, 200), ("error", 409, 200), ("paused", 409, 409)],
    )
    async def test_states(self, stack: Stack, state: str, attach: int, detach: int) -> None:
        server_id = await stack.server(vm_state=state)
        path = f"/servers/{server_id}/shares"
        answer = await stack.call("POST", path, {"share": {"share_id": SHARE}}, v=97)
        assert answer.status == attach
        if attach == 409:
            words = f"Cannot 'attach_share' instance {server_id} while it is in vm_state {state}"
            assert answer.fault() == words
        share_id = await shared(stack, server_id)
        assert (await stack.call("DELETE", f"{path}/{share_id}", v=97)).status == detach
        left = (await stack.call("GET", path, v=97)).body["shares"]
        assert len(left) == (detach != 200)

    async def test_what_is_on_record(self, stack: Stack) -> None:
        server_id = await stack.server(vm_state="stopped")
        share_id = await shared(stack, server_id, tag="t", status="error")
        path = f"/servers/{server_id}/shares"
        shown = {"share_id": share_id, "status": "error", "tag": "t"}
        assert (await stack.call("GET", path, v=97)).body == {"shares": [shown]}
        answer = await stack.call("GET", f"{path}/{share_id}", user="demo", v=97)
        assert answer.body == {"share": shown}
        answer = await stack.call("GET", f"{path}/{share_id}", user="admin", v=97)
        assert answer.body["share"].keys() - shown.keys() == {"uuid", "export_location"}
        assert (await stack.call("DELETE", f"{path}/{share_id}", v=97)).body == b""
        assert (await stack.call("DELETE", f"{path}/{share_id}", v=97)).status == 404


class TestTopology:
    async def shown(self, stack: Stack, **columns: Any) -> Any:
        server_id = await stack.server(**columns)
        answer = await stack.call("GET", f"/servers/{server_id}/topology", user="reader", v=78)
        assert answer.status == 200
        return answer.body

    async def test_of_an_ordinary_server(self, stack: Stack) -> None:
        assert await self.shown(stack) == {"nodes": [], "pagesize_kb": None}

    async def test_as_the_flavor_says(self, stack: Stack) -> None:
        specs = {"hw:numa_nodes": "2", "hw:mem_page_size": "large", "hw:cpu_threads": "2"}
        flavor = {**FLAVOR, "extra_specs": specs}
        assert await self.shown(stack, flavor=flavor, vcpus=4, memory_mib=2048) == {
            "nodes": [
                {"memory_mb": 1024, "siblings": [[0, 1]], "vcpu_set": [0, 1]},
                {"memory_mb": 1024, "siblings": [[2, 3]], "vcpu_set": [2, 3]},
            ],
            "pagesize_kb": 2048,
        }

    async def test_who_may_ask_and_when(self, stack: Stack) -> None:
        path = f"/servers/{await stack.server()}/topology"
        assert (await stack.call("GET", path, v=77)).status == 404
        assert (await stack.call("GET", path, user="other", v=78)).status == 404
        assert (await stack.call("GET", f"{path}?x=1", v=101)).status == 200
        assert (await stack.call("GET", f"{path}?x=1", v=102)).status == 400
