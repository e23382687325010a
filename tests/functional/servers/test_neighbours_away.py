"""POST /servers while the image service does not answer: said clearly, nothing half created."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.servers.conftest import Stack

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"neighbours": {"image_endpoint": NOBODY, "attempts": 1}}


async def test_said_to_be_away(stack: Stack) -> None:
    answer = await stack.create()
    assert answer.status == 503
    assert set(answer.body) == {"serviceUnavailable"}
    assert answer.fault().startswith("The image service is temporarily unavailable.")
    assert int(answer.headers["Retry-After"]) > 0
    for table in ("servers", "workflows", "instance_actions"):
        assert await stack.count(table) == 0


async def test_what_needs_no_image_goes_on(stack: Stack) -> None:
    server_id = await stack.server(host="h")
    assert (await stack.show(server_id))["status"] == "ACTIVE"
    assert (await stack.action(server_id, {"os-stop": None})).status == 202
    assert (await stack.call("DELETE", f"/servers/{server_id}", user="demo")).status == 204
