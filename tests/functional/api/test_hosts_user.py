"""The user of the hosts at the Compute API: it may read how to use it, and ask for nothing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.functional.api.conftest import Deployment

HOST = "muster-host"
UNKNOWN = uuid4()


@pytest.fixture(scope="module", autouse=True)
async def host(deployment: Deployment) -> None:
    await deployment.login(HOST, "service", "muster")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/servers", None),
        ("GET", f"/servers/{UNKNOWN}", None),
        ("POST", "/servers", {"server": {"name": "s"}}),
        ("POST", f"/servers/{UNKNOWN}/action", {"reboot": {"type": "HARD"}}),
        ("POST", "/os-server-external-events", {"events": []}),
        ("GET", "/os-services", None),
        ("PUT", f"/os-services/{UNKNOWN}", {"forced_down": True}),
        # What every other user may:
        ("GET", "/limits", None),
        ("GET", "/extensions", None),
        ("GET", "/flavors", None),
        ("GET", "/os-availability-zone", None),
        ("POST", "/os-keypairs", {"keypair": {"name": "k"}}),
    ],
)
async def test_everything_is_refused(
    deployment: Deployment, method: str, path: str, body: Any
) -> None:
    answer = await deployment.call(method, path, body, user=HOST)
    assert (answer.status, list(answer.body)) == (403, ["forbidden"])


async def test_documents_are_for_everybody(deployment: Deployment) -> None:
    assert (await deployment.call("GET", "/", user=HOST)).status == 200
