"""From method and path to the row."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import InvalidInput, NotFound
from services.api.http.router import Router, choose_action, choose_version
from services.api.operation import Misdeclared, Operation, Reply
from services.api.request import Request


async def _handler(_request: Request) -> Reply:
    return Reply()


def _row(method: str, path: str, **more: Any) -> Operation:
    return Operation(method, path, _handler, policy=None, **more)


ROUTER = Router(
    [
        _row("GET", "/"),
        _row("GET", "/things"),
        _row("GET", "/things/detail"),
        _row("GET", "/things/{id}"),
        _row("GET", "/things/{id}/parts/{part}"),
        _row("PUT", "/things/{id}", until=9),
        _row("PUT", "/things/{id}", since=11),
        _row("POST", "/things/{id}/action", action="start"),
        _row("POST", "/things/{id}/action", action="stop", since=5),
    ]
)


@pytest.mark.parametrize(
    ("path", "found", "params"),
    [
        ("", "/", {}),
        ("things", "/things", {}),
        ("things/detail", "/things/detail", {}),
        ("things/1", "/things/{id}", {"id": "1"}),
        ("things/detail/parts/2", "/things/{id}/parts/{part}", {"id": "detail", "part": "2"}),
    ],
)
def test_find(path: str, found: str, params: dict[str, str]) -> None:
    result = ROUTER.find("GET", path.split("/"))
    assert result is not None
    target, values = result
    assert (target.plain[0].path, values) == (found, params)


@pytest.mark.parametrize("path", ["nothing", "things/", "things/1/parts", "things/1/parts/2/3"])
def test_find_nothing(path: str) -> None:
    assert ROUTER.find("GET", path.split("/")) is None
    assert ROUTER.find("DELETE", ["things", "1"]) is None


def test_versions() -> None:
    target, _ = ROUTER.find("PUT", ["things", "1"]) or pytest.fail("not found")
    assert choose_version(target.plain, 9).until == 9
    assert choose_version(target.plain, 11).since == 11
    with pytest.raises(NotFound, match=r"API version '2\.10' is not supported on this method"):
        choose_version(target.plain, 10)


def test_actions() -> None:
    target, _ = ROUTER.find("POST", ["things", "1", "action"]) or pytest.fail("not found")
    assert choose_action(target, {"stop": None})[0].action == "stop"
    malformed: list[Any] = [None, [], {}, {"start": 1, "stop": 1}]
    for body in malformed:
        with pytest.raises(InvalidInput, match="Malformed request body"):
            choose_action(target, body)
    with pytest.raises(InvalidInput, match="There is no such action: fly"):
        choose_action(target, {"fly": None})


def test_rows_must_not_overlap() -> None:
    with pytest.raises(Misdeclared, match="two rows for the same microversion"):
        Router([_row("GET", "/a", until=5), _row("GET", "/a", since=5)])


def test_parameters_have_one_name() -> None:
    with pytest.raises(Misdeclared, match="calls the parameters"):
        Router([_row("GET", "/a/{x}", until=5), _row("GET", "/a/{y}", since=6)])
