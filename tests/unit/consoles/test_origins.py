"""Which pages may open a console."""

from __future__ import annotations

import pytest

from services.consoles.origins import allowed


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (None, "c.example", True),
        ("http://c.example", "c.example", True),
        ("http://C.example:80", "c.example", True),
        ("https://c.example", "c.example:443", True),
        ("http://[::1]:6080", "[::1]:6080", True),
        ("https://cloud.example", "c.example", True),
        ("http://cloud.example", "c.example", False),
        ("http://c.example:6081", "c.example:6080", False),
        ("http://c.example.evil", "c.example", False),
        ("http://evil@c.example", "c.example:6080", False),
        ("null", "c.example", False),
        ("", "", False),
        ("file://", "", False),
        ("http://", "", False),
        ("http://[", "[", False),
        ("http://c.example:99999", "c.example:99999", False),
    ],
)
def test_origins(origin: str | None, host: str, expected: bool) -> None:
    assert allowed(origin, host, ["https://cloud.example"]) is expected
