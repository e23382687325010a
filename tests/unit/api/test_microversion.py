"""How a request names its version."""

from __future__ import annotations

import pytest

from services.api.http.negotiation import MalformedVersion, VersionOutOfRange, requested

STANDARD = "OpenStack-API-Version"
LEGACY = "X-OpenStack-Nova-API-Version"


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({}, 1),
        ({STANDARD: "compute 2.10"}, 10),
        ({STANDARD: "compute latest"}, 104),
        ({STANDARD: "identity 3, compute  2.7 , volume 3.1"}, 7),
        ({STANDARD: "volume 3.1"}, 1),
        ({STANDARD: "2.7"}, 1),
        ({LEGACY: "2.8"}, 8),
        ({LEGACY: "latest"}, 104),
        ({STANDARD: "compute 2.9", LEGACY: "2.8"}, 9),
        ({STANDARD: "volume 3.1", LEGACY: "2.8"}, 8),
    ],
)
def test_requested(headers: dict[str, str], version: int) -> None:
    assert requested(headers) == version


@pytest.mark.parametrize("text", ["2", "2.", "2.01", "02.1", "a.b", "2.1.1", "\u0662.\u0661"])
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedVersion, match="is of invalid format"):
        requested({STANDARD: f"compute {text}"})


@pytest.mark.parametrize("text", ["2.0", "2.105", "1.1", "3.0"])
def test_out_of_range(text: str) -> None:
    with pytest.raises(VersionOutOfRange) as caught:
        requested({STANDARD: f"compute {text}"})
    assert caught.value.version == text
