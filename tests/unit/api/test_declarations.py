"""What is declared wrongly keeps the API from starting, and says what is wrong."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from services import api
from services.api import handlers
from services.api.operation import Misdeclared, Operation, Reply, check_rules
from services.api.policies import all_rules
from services.api.request import Request

API = Path(api.__file__).parent


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


NAMED = re.compile(r"(os_compute_api|compute|network):[\w:.-]+")


@pytest.mark.parametrize("path", sorted(API.rglob("*.py")), ids=lambda path: path.name)
def test_every_rule_that_is_named_is_declared(path: Path) -> None:
    """Rules of fields and of optional extras too, and the beginnings that names are made of."""
    rules = all_rules()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
            if NAMED.fullmatch(name):
                assert any(rule.startswith(name) for rule in rules), f"{name} is no rule"
