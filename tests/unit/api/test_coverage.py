"""The table of operations in the docs is the one the code declares."""

from __future__ import annotations

from deploy.cli.api import COVERAGE
from deploy.local.home import ROOT
from services.api.coverage import Covered, covered, document
from services.api.handlers import all_operations
from services.api.operation import Operation, Reply
from services.api.request import Request


async def _handler(_request: Request) -> Reply:
    return Reply()


def test_the_docs_are_up_to_date() -> None:
    assert (ROOT / COVERAGE).read_text() == document(all_operations()), (
        "run ./muster api coverage --write"
    )


def test_ranges_are_joined_and_gaps_kept() -> None:
    def row(since: int, until: int, removed: int | None = None) -> Operation:
        return Operation(
            "GET", "/x", _handler, policy=None, since=since, until=until, removed=removed
        )

    assert covered([row(11, 20), row(1, 10), row(22, 22), row(23, 30, removed=410)]) == [
        Covered("GET /x", 1, 20, "implemented"),
        Covered("GET /x", 22, 22, "implemented"),
        Covered("GET /x", 23, 30, "removed: 410"),
    ]
    assert Covered("GET /x", 22, 22, "implemented").microversions == "2.22"
