"""Links in answers behind a proxy that ends TLS."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.api.conftest import Deployment

FORWARDED = {
    "X-Forwarded-Proto": "https, http",
    "X-Forwarded-Host": "cloud.example",
    "X-Forwarded-Prefix": "/compute/",
}


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return {"api": {"behind_proxy": True}}


async def test_links_lead_to_the_proxy(deployment: Deployment) -> None:
    answer = await deployment.call("GET", "/flavors/1", headers=FORWARDED)
    assert [link["href"] for link in answer.body["flavor"]["links"]] == [
        "https://cloud.example/compute/v2.1/flavors/1",
        "https://cloud.example/compute/flavors/1",
    ]
    answer = await deployment.call("GET", "/flavors?limit=1", headers=FORWARDED)
    (following,) = answer.body["flavors_links"]
    assert following["href"].startswith("https://cloud.example/compute/v2.1/flavors?limit=1")


@pytest.mark.parametrize("root", ["", "/v2.1", "/nowhere"])
async def test_so_do_version_documents(deployment: Deployment, root: str) -> None:
    path = "/" if root == "" else ""
    answer = await deployment.call("GET", path, user=None, v=None, root=root, headers=FORWARDED)
    assert "https://cloud.example/compute/v2.1" in str(answer.body)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Forwarded-Proto": "javascript"}, "http://127.0.0.1"),
        ({"X-Forwarded-Host": 'a" onclick="x'}, "http://127.0.0.1"),
        ({"X-Forwarded-Prefix": "no slash"}, "http://127.0.0.1"),
        ({}, "http://127.0.0.1"),
    ],
)
async def test_what_makes_no_sense_is_left_out(
    deployment: Deployment, headers: dict[str, str], expected: str
) -> None:
    answer = await deployment.call("GET", "/flavors/1", headers=headers)
    assert answer.body["flavor"]["links"][0]["href"].startswith(expected)
