"""What is declared wrongly keeps the API from starting, and says what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from services.api import handlers
from services.api.operation import Misdeclared, Operation, Reply, check_rules
from services.api.policies import all_rules
from services.api.request import Request


async def _handler(_request: Request) -> Reply:
    return Reply()


def test_everything_declared_fits_together() -> None:
    check_rules(handlers.all_operations(), all_rules())


def test_a_misspelt_rule_is_named() -> None:
    misspelt = Operation("GET", "/things", _handler, policy="os_compute_api:serverz:index")
    with pytest.raises(Misdeclared, match="GET /things names os_compute_api:serverz:index"):
        check_rules([misspelt], all_rules())


@pytest.mark.parametrize("text", ["", "OPERATION = [1]", "OPERATIONS = []"])
def test_a_module_without_operations_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "things.py").write_text(text)
    monkeypatch.setattr(handlers, "__path__", [*handlers.__path__, str(tmp_path)])
    try:
        with pytest.raises(Misdeclared, match=r"handlers\.things declares no OPERATIONS"):
            handlers.all_operations()
    finally:
        sys.modules.pop("services.api.handlers.things", None)
