"""Old messages stay readable, and no message changes by accident.

A golden file is written once per type and version and then only read. When a message grows: give
the new field a default, bump the class's `v`, add the field to examples.py, and write the new
file with `python -m tests.contracts.write_golden`. Keep the old file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from common.messages import base
from tests.contracts.examples import EXAMPLES

GOLDEN = Path(__file__).parent / "golden"


def path_of(message: base.Message) -> Path:
    return GOLDEN / f"{message.TYPE}.v{message.v}.json"


def pretty(message: base.Message) -> bytes:
    return orjson.dumps(orjson.loads(base.encode(message)), option=orjson.OPT_INDENT_2) + b"\n"


def said_by(old: Any, now: Any) -> Any:
    """`now` without the fields that the older message did not have, at any depth."""
    if isinstance(old, dict) and isinstance(now, dict):
        return {key: said_by(old[key], now[key]) for key in old if key in now}
    if isinstance(old, list) and isinstance(now, list) and len(old) == len(now):
        return [said_by(*pair) for pair in zip(old, now, strict=True)]
    return now


def test_every_message_has_an_example() -> None:
    assert {m.TYPE for m in EXAMPLES} == {t for t in base.types() if not t.startswith("test.")}


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: m.TYPE)
def test_message_is_its_golden_file(message: base.Message) -> None:
    assert pretty(message) == path_of(message).read_bytes()
    assert base.decode(path_of(message).read_bytes()) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: m.TYPE)
def test_the_example_sets_every_field(message: base.Message) -> None:
    unset = set(type(message).model_fields) - message.model_fields_set - {"v", "request_id"}
    assert not unset, f"the golden file of {message.TYPE} says nothing about {unset}"


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda f: f.name)
def test_every_version_ever_written_is_readable(file: Path) -> None:
    old = orjson.loads(file.read_bytes())
    assert said_by(old, orjson.loads(base.encode(base.decode(file.read_bytes())))) == old


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: m.TYPE)
def test_a_field_from_the_future_is_ignored(message: base.Message) -> None:
    data = orjson.loads(base.encode(message)) | {"field_of_a_later_version": 1}
    assert base.decode(orjson.dumps(data)) == message


def test_what_is_no_message_is_refused() -> None:
    for body in (b"", b"[]", b"{}", b'{"type": "no.such"}', b'{"type": "workflow.run"}'):
        with pytest.raises(base.UndecodableMessage):
            base.decode(body)
