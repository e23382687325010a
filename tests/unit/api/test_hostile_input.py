"""Input that was made to cost much: 100 KB of it is refused within 100 ms of the processor.

Every distinct schema that any operation uses at any version is attacked, also each part of it.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from itertools import product
from typing import Any

import orjson
import pytest
from regexploit.ast.sre import SreOpParser
from regexploit.redos import find

from common.errors import InvalidInput
from services.api.handlers import all_operations
from services.api.http import negotiation, pipeline
from services.api.http.validation import Validator
from services.api.operation import Schema
from services.api.schemas import extra_specs, servers

BYTES = 100_000
ALLOWED_S = 0.1
MOST_SAID = 10_000


def _parts(schema: Any) -> Iterator[Schema]:
    """A schema and every schema in it."""
    if isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            if key in {"properties", "patternProperties"}:
                for below in value.values():
                    yield from _parts(below)
            elif key in {"items", "oneOf", "anyOf"}:
                for below in value if isinstance(value, list) else [value]:
                    yield from _parts(below)


def _used() -> dict[bytes, Schema]:
    found: dict[bytes, Schema] = {}
    for operation in all_operations():
        for schema_of in (operation.body, operation.query):
            for version in range(operation.since, operation.until + 1):
                for part in _parts(schema_of(version) if schema_of else None):
                    found.setdefault(orjson.dumps(part, option=orjson.OPT_SORT_KEYS), part)
    return found


USED = _used()


def _attacks() -> dict[str, Any]:
    letters = "a" * BYTES
    return {
        "letters": letters,
        "letters and an end": letters + "!",
        "digits": "9" * BYTES,
        "blanks": " " * BYTES,
        "no ASCII": "\u00e9" * (BYTES // 2),
        "different values": [f"a{n}" if n % 2 else n for n in range(14_000)],
        "lists": [[n] for n in range(14_000)],
        "objects": [{"x": n} for n in range(12_000)],
        "many keys": {f"k{n}": n for n in range(9_000)},
        "unusual keys": {f"k{n}/\u00e9": "x" for n in range(8_000)},
        "a long key": {letters: "x"},
    }


ATTACKS = _attacks()


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_schema_refuses_quickly(attack: str) -> None:
    value = ATTACKS[attack]
    slow = {}
    for text, schema in USED.items():
        validator = Validator(schema, subject="field/attribute")
        took_s, said = _tried(validator, value)
        if took_s > ALLOWED_S:
            took_s, said = _tried(validator, value)  # it may have paid for others' garbage
        if took_s > ALLOWED_S or len(said) > MOST_SAID:
            slow[text[:300]] = took_s, len(said)
    assert not slow


def _tried(validator: Validator, value: Any) -> tuple[float, str]:
    began, said = time.process_time(), ""
    try:
        validator.check(value)
    except InvalidInput as error:
        said = str(error)
    return time.process_time() - began, said


_SERVER = {"name": "a", "flavorRef": "1", "imageRef": "11111111-2222-3333-4444-555555555555"}


@pytest.mark.parametrize(
    "field",
    [
        {"networks": [{}] * 30_000 + [1]},
        {"networks": [{"x": 1}] * 12_000},
        {"trusted_image_certificates": [f"a{n}" if n % 2 else n for n in range(14_000)]},
        {"trusted_image_certificates": [[n] for n in range(14_000)]},
        {"block_device_mapping_v2": [{"uuid": "x", "boot_index": "a"}] * 3_000},
        {"security_groups": [{"name": ""}] * 7_000},
        {"metadata": {f"k{n}/": 1 for n in range(8_000)}},
        {f"k{n}": 1 for n in range(9_000)},
    ],
    ids=lambda field: next(iter(field)),
)
def test_servers_refuse_quickly_and_say_what_is_wrong(field: dict[str, Any]) -> None:
    validator = Validator(servers.create(93), subject="field/attribute")
    body = {"server": {"networks": "auto", **_SERVER, **field}}
    began = time.process_time()
    with pytest.raises(InvalidInput, match="Invalid input for field/attribute"):
        validator.check(body)
    assert time.process_time() - began < ALLOWED_S


def _patterns() -> list[str]:
    found = {negotiation._FORM.pattern, pipeline._PROJECT.pattern}
    for schema in USED.values():
        found |= {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
        found |= set(schema.get("patternProperties", {}))
    for namespace, kinds in extra_specs._NAMESPACES.items():
        found |= {namespace, *kinds}
        found |= {kind.pattern for kind in kinds.values() if kind.pattern is not None}
    return sorted(found)


@pytest.mark.parametrize("pattern", _patterns())
def test_no_pattern_explodes_by_its_form(pattern: str) -> None:
    assert [found.example() for found in find(SreOpParser().parse_sre(pattern))] == []


@pytest.mark.parametrize("pattern", _patterns())
def test_no_pattern_explodes_in_fact(pattern: str) -> None:
    """Repeats every short text of the pattern's own characters, ever more often: where time grows
    faster than the text, it is seen while it can still be waited for."""
    alphabet = sorted(set(re.sub(r"\\[wd]|[\[\]{}()|?*+^$\\]", "", pattern)))
    characters = ["1", "a", *(c for c in alphabet if not c.isalnum())][:6]
    compiled = re.compile(pattern)
    for length in (1, 2, 3, 4):
        for unit in map("".join, product(characters, repeat=length)):
            for times in (8, 12, 16, 18, 20, 22, 24, 28, 32, 40, 64):
                began = time.process_time()
                compiled.fullmatch("1" + unit * times + "\n!")
                took_s = time.process_time() - began
                assert took_s < ALLOWED_S, f"{unit!r} {times} times"


@pytest.mark.parametrize(
    "value", ["1" + ",1-1" * 22 + "!", "1" + "-1" * 22 + "!", "0-3,^1" + "," * 200]
)
def test_lists_of_processors(value: str) -> None:
    began = time.process_time()
    with contextlib.suppress(InvalidInput):
        extra_specs.check("hw:cpu_dedicated_mask", value)
    assert time.process_time() - began < ALLOWED_S
