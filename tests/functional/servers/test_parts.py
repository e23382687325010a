"""Metadata, tags and addresses of a server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.functional.api.conftest import Answer
from tests.functional.servers.conftest import Stack
from tests.functional.servers.test_show import ADDRESSES


async def call(
    stack: Stack, method: str, server_id: str, path: str, body: Any = None, **kwargs: Any
) -> Answer:
    return await stack.call(
        method, f"/servers/{server_id}{path}", body, **{"user": "demo", **kwargs}
    )


class TestMetadata:
    async def test_life(self, stack: Stack) -> None:
        server_id = await stack.server(metadata={"a": "1"})

        async def now() -> Any:
            return (await call(stack, "GET", server_id, "/metadata")).body["metadata"]

        merged = await call(stack, "POST", server_id, "/metadata", {"metadata": {"b": "2"}})
        assert merged.body == {"metadata": {"a": "1", "b": "2"}}
        one = await call(stack, "PUT", server_id, "/metadata/a", {"meta": {"a": "3"}})
        assert one.body == {"meta": {"a": "3"}}
        assert (await call(stack, "GET", server_id, "/metadata/a")).body == {"meta": {"a": "3"}}
        assert (await call(stack, "DELETE", server_id, "/metadata/b")).status == 204
        assert await now() == {"a": "3"}
        await call(stack, "PUT", server_id, "/metadata", {"metadata": {"z": ""}})
        assert await now() == {"z": ""} == (await stack.show(server_id))["metadata"]
        assert not await stack.actions(server_id)

    @pytest.mark.parametrize(
        ("request_line", "body", "status", "words"),
        [
            ("GET /metadata/x", None, 404, "Metadata item was not found"),
            ("DELETE /metadata/x", None, 404, "Metadata item was not found"),
            ("PUT /metadata/x", {"meta": {"y": "1"}}, 400, "Request body and URI mismatch"),
            ("PUT /metadata/x", {"meta": {"x": "1", "y": "1"}}, 400, "meta"),
            ("POST /metadata", {"metadata": {"x": 1}}, 400, "field/attribute x"),
            ("POST /metadata", {"metadata": {"é": "1"}}, 400, "field/attribute metadata"),
            ("POST /metadata", {}, 400, "'metadata' is a required property"),
            ("PUT /metadata", None, 400, "None is not of type 'object'"),
        ],
    )
    async def test_refused(
        self, stack: Stack, request_line: str, body: Any, status: int, words: str
    ) -> None:
        method, path = request_line.split()
        answer = await call(stack, method, await stack.server(), path, body)
        assert answer.status == status
        assert words in answer.fault()

    async def test_quota(self, stack: Stack) -> None:
        server_id = await stack.server(metadata={str(n): "" for n in range(127)})
        one, two = {"x": ""}, {"x": "", "y": ""}
        answer = await call(stack, "POST", server_id, "/metadata", {"metadata": two})
        assert (answer.status, answer.fault()) == (
            403,
            "Maximum number of metadata items exceeds 128",
        )
        answer = await call(stack, "POST", server_id, "/metadata", {"metadata": one})
        assert answer.status == 200

    async def test_state_and_lock(self, stack: Stack) -> None:
        body = {"metadata": {"x": "y"}}
        server_id = await stack.server(vm_state="error", metadata={"a": ""})
        answer = await call(stack, "POST", server_id, "/metadata", body)
        assert answer.status == 409
        assert answer.fault() == (
            f"Cannot 'update metadata' instance {server_id} while it is in vm_state error"
        )
        answer = await call(stack, "DELETE", server_id, "/metadata/a")
        assert "Cannot 'delete metadata' instance" in answer.fault()
        locked = await stack.server(locked_by="owner")
        answer = await call(stack, "POST", locked, "/metadata", body)
        assert (answer.status, answer.fault()) == (409, f"Instance {locked} is locked")

    async def test_readers_read(self, stack: Stack) -> None:
        server_id = await stack.server()
        assert (await call(stack, "GET", server_id, "/metadata", user="reader")).status == 200
        body: dict[str, Any] = {"metadata": {}}
        answer = await call(stack, "POST", server_id, "/metadata", body, user="reader")
        assert answer.status == 403


class TestTags:
    async def test_life(self, stack: Stack) -> None:
        server_id = await stack.server(tags=["a"])
        made = await call(stack, "PUT", server_id, "/tags/b")
        assert made.status == 201
        assert made.headers["Location"].endswith(f"/servers/{server_id}/tags/b")
        assert (await call(stack, "PUT", server_id, "/tags/b")).status == 204
        assert (await call(stack, "GET", server_id, "/tags/b")).status == 204
        assert (await call(stack, "GET", server_id, "/tags")).body == {"tags": ["a", "b"]}
        assert (await call(stack, "DELETE", server_id, "/tags/a")).status == 204
        assert (await call(stack, "GET", server_id, "/tags/a")).status == 404
        assert (await call(stack, "DELETE", server_id, "/tags/a")).status == 404
        replaced = await call(stack, "PUT", server_id, "/tags", {"tags": ["x", "y", "x"]})
        assert replaced.body == {"tags": ["x", "y"]}
        assert (await call(stack, "DELETE", server_id, "/tags")).status == 204
        assert (await stack.show(server_id))["tags"] == []

    async def test_of_many_at_once_one_makes_it(self, stack: Stack) -> None:
        server_id = await stack.server()
        puts = [call(stack, "PUT", server_id, "/tags/same") for _ in range(8)]
        answers = await asyncio.gather(*puts)
        assert sorted(answer.status for answer in answers) == [201] + [204] * 7
        assert (await stack.row(server_id))["tags"] == ["same"]

    async def test_refused(self, stack: Stack) -> None:
        server_id = await stack.server(tags=[str(n) for n in range(50)])
        answer = await call(stack, "PUT", server_id, "/tags/new")
        assert (answer.status, answer.fault()) == (
            400,
            "The number of tags exceeded the per-server limit 50",
        )
        answer = await call(stack, "PUT", server_id, "/tags/" + "x" * 61)
        assert answer.status == 400
        assert "is invalid" in answer.fault()
        answer = await call(stack, "PUT", server_id, "/tags", {"tags": ["x"] * 51})
        assert answer.status == 400
        assert (await call(stack, "GET", server_id, "/tags", v=25)).status == 404

    async def test_state(self, stack: Stack) -> None:
        server_id = await stack.server(vm_state="error", tags=["a"])
        for method, path in (("PUT", "/tags/b"), ("DELETE", "/tags/a"), ("DELETE", "/tags")):
            answer = await call(stack, method, server_id, path)
            assert answer.status == 409
            assert f"instance {server_id} while it is in vm_state error" in answer.fault()
        assert (await call(stack, "GET", server_id, "/tags")).status == 200


class TestAddresses:
    async def test_by_network(self, stack: Stack) -> None:
        server_id = await stack.server(network_info=ADDRESSES)
        expected = [
            {"addr": "10.0.0.7", "version": 4},
            {"addr": "172.24.4.9", "version": 4},
            {"addr": "fd00::7", "version": 6},
        ]
        assert (await call(stack, "GET", server_id, "/ips")).body == {
            "addresses": {"net": expected}
        }
        assert (await call(stack, "GET", server_id, "/ips/net")).body == {"net": expected}
        answer = await call(stack, "GET", server_id, "/ips/other")
        assert (answer.status, answer.fault()) == (
            404,
            "Instance is not a member of specified network",
        )
