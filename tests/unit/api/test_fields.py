"""Fields by version and policy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from services.api.request import Request
from services.api.views.fields import Field, View, attribute, column

VIEW = View(
    [
        Field("id", attribute("number"), until=9),
        Field("id", attribute("uuid"), since=10),
        Field("old", attribute("number"), until=4),
        Field("secret", attribute("secret"), since=5, policy="rule:secret"),
    ]
)
ITEM = SimpleNamespace(number=1, uuid="u", secret="s")


def _request(v: int, *allowed: str) -> tuple[Request, list[str]]:
    asked: list[str] = []

    def can(rule: str) -> bool:
        asked.append(rule)
        return rule in allowed

    return cast("Request", SimpleNamespace(v=v, can=can)), asked


def test_ranges_and_policies() -> None:
    for v, allowed, expected in (
        (4, ("rule:secret",), {"id": 1, "old": 1}),
        (5, ("rule:secret",), {"id": 1, "secret": "s"}),
        (5, (), {"id": 1}),
        (10, ("rule:secret",), {"id": "u", "secret": "s"}),
    ):
        request, _ = _request(v, *allowed)
        assert VIEW.renderer(request)(ITEM) == expected


def test_policies_are_asked_once_and_only_where_they_matter() -> None:
    request, asked = _request(4)
    VIEW.renderer(request)
    assert asked == []
    request, asked = _request(5)
    render = VIEW.renderer(request)
    render(ITEM)
    render(ITEM)
    assert asked == ["rule:secret"]


def test_columns() -> None:
    request, _ = _request(1)
    assert View([Field("a", column("b"))]).renderer(request)({"b": 2}) == {"a": 2}
