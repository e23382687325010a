"""Microversions have names: the registry is whole, and nothing in the API uses bare numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import api
from services.api import versions

API = Path(api.__file__).parent
FILES = sorted(path for path in API.rglob("*.py") if path.name != "versions.py")
ABOUT_VERSIONS = {"v", "version", "minor"}
RANGES = {"since", "until"}


def test_every_version_has_a_name() -> None:
    named = set(versions.history().values())

    assert named == set(range(versions.MIN + 1, versions.MAX + 1))


def test_names_stand_in_order_and_say_what_changed() -> None:
    changes = list(versions.history().values())

    assert changes == sorted(changes)
    for change in changes:
        assert change.summary.endswith(".")
    assert len({change.summary for change in changes}) == len(changes)


def test_before() -> None:
    assert versions.before(versions.SERVER_TAGS) == versions.SERVER_TAGS - 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(API)))
def test_versions_are_named(path: Path) -> None:
    unnamed = list(_unnamed(ast.parse(path.read_text())))

    assert not unnamed, f"use a name of services/api/versions.py: {unnamed}"


@pytest.mark.parametrize(
    "text",
    [
        "x = 1 if v >= 75 else 0",
        "if request.v < 53: pass",
        "if 30 <= v < 68: pass",
        "PAGED = 58\nif v >= PAGED: pass",
        "PAGED = versions.PAGED\nif v >= PAGED - 1: pass",
        "Operation('GET', '/x', f, until=35)",
        "Field('x', f, since=(23))",
        "closed_from(75, host=ANY)",
        "def f(until: int = 35): pass",
    ],
)
def test_bare_versions_are_seen(text: str) -> None:
    assert list(_unnamed(ast.parse(text)))


def _unnamed(tree: ast.AST) -> Iterator[str]:
    """Places where a version is a number or a constant of the module's own."""
    named = _names_of_versions(tree)
    for node in ast.walk(tree):
        for value in _versions_in(node):
            if any(_is_bare(part, named) for part in ast.walk(value)):
                yield f"line {value.lineno}: {ast.unparse(value)}"


def _versions_in(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.In | ast.NotIn):
        sides = [node.left, *node.comparators]
        if any(_is_about_versions(side) for side in sides):
            yield from (side for side in sides if not _is_about_versions(side))
    elif isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg in RANGES)
        if isinstance(node.func, ast.Name) and node.func.id == "closed_from":
            yield from node.args[:1]
    elif isinstance(node, ast.FunctionDef):
        arguments = [*node.args.args, *node.args.kwonlyargs]
        defaults = [*node.args.defaults, *node.args.kw_defaults]
        for argument, default in zip(reversed(arguments), reversed(defaults), strict=False):
            if argument.arg in RANGES and default is not None:
                yield default


def _is_about_versions(side: ast.expr) -> bool:
    """`v`, `request.v`, `exchange.version`."""
    name = side.id if isinstance(side, ast.Name) else getattr(side, "attr", None)
    return name in ABOUT_VERSIONS


def _is_bare(part: ast.AST, named: set[str]) -> bool:
    if isinstance(part, ast.Constant):
        return isinstance(part.value, int)
    return isinstance(part, ast.Name) and part.id.isupper() and part.id not in named


def _names_of_versions(tree: ast.AST) -> set[str]:
    """Constants imported from the registry, and those of the module that are made of its names."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "services.api.versions":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign) and "versions." in ast.unparse(node):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names
