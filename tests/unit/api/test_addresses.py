"""The address that links begin with."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from pydantic import ValidationError

from common.config.api import ApiSettings
from services.api.http.addresses import Addresses

HEADERS = {"Host": "10.0.0.1:8774", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "http://10.0.0.1:8774"),
        ({"behind_proxy": True}, "https://a.example"),
        ({"compute_link_prefix": "https://b.example/compute/"}, "https://b.example/compute"),
        (
            {"behind_proxy": True, "compute_link_prefix": "https://b.example:8774"},
            "https://b.example:8774",
        ),
    ],
)
def test_base(settings: dict[str, object], expected: str) -> None:
    request = make_mocked_request("GET", "/v2.1/flavors", headers=HEADERS)
    assert Addresses(ApiSettings(**settings)).base(request) == expected


@pytest.mark.parametrize("prefix", ["cloud.example", "ftp://cloud.example", "https://"])
def test_a_prefix_is_an_address(prefix: str) -> None:
    with pytest.raises(ValidationError):
        ApiSettings(compute_link_prefix=prefix)
